// Reads JSON from untrusted memory, value by value, in the order in which they stand. Nothing is
// built: the caller says what it expects and takes what it needs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace qwen3 {

class JsonReader {
 public:
  enum class Type { null, boolean, number, string, array, object };

  // `text` must outlive the reader.
  explicit JsonReader(std::string_view text) : text_(text) {}

  // All functions throw Error(model_invalid) if the text is not JSON. The functions named after a
  // type throw it if the next value has another type. `name` is what messages call the value.

  // The type of the next value, by its first character.
  Type type();
  void null(std::string_view name);
  bool boolean(std::string_view name);
  // An integer from 0 to UINT32_MAX, without fraction and exponent.
  uint32_t integer(std::string_view name);
  // Valid UTF-8, until the next call.
  std::string_view string(std::string_view name);
  // Calls member(key) for each key; it must read one value. `key` is valid until then.
  template <typename Member>
  void object(std::string_view name, const Member& member) {
    enter(Type::object, name);
    for (bool first = true; next('}', first); first = false) {
      const std::string key(string("a key"));
      expect(':');
      member(std::string_view(key));
    }
    --depth_;
  }
  // Calls element() for each element; it must read one value.
  template <typename Element>
  void array(std::string_view name, const Element& element) {
    enter(Type::array, name);
    for (bool first = true; next(']', first); first = false) element();
    --depth_;
  }
  // Reads any value.
  void skip();
  // Reads the end of the text.
  void end();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  void require(Type type, std::string_view name);
  void enter(Type type, std::string_view name);
  bool next(char close, bool first);
  void expect(char c);
  void word(std::string_view expected);
  void number();
  char peek();  // the next character after white space
  void escape();
  uint32_t hex4();

  static constexpr unsigned kMaxDepth = 64;
  std::string_view text_;
  size_t at_ = 0;
  unsigned depth_ = 0;
  std::string unescaped_;
};

}  // namespace qwen3
