// Text to token ids, exactly as Hugging Face's tokenizers: byte-level BPE with NFC, Qwen's pattern,
// added tokens and a template. Knows neither models nor Node.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qwen3 {

// A tokenizer.json in memory. Immutable, so any number of threads may use it.
class Tokenizer {
 public:
  // `json`: the content of the file. `rows`: of the model's embedding table. `end_token`: appended
  // to every text if the file's template adds nothing; empty: nothing is. Throws Error:
  // model_invalid, model_unsupported.
  Tokenizer(std::string_view json, uint32_t rows, std::string_view end_token);
  ~Tokenizer();

  // The ids before and after those of every text.
  const std::vector<uint32_t>& before() const;
  const std::vector<uint32_t>& after() const;
  // Whether the end token is appended because the template adds nothing.
  bool appends_end_token() const;

 private:
  friend class Encoding;
  struct Parts;
  std::unique_ptr<const Parts> parts_;
};

// How to read control tokens in a text: added tokens that are special or written in angle brackets.
enum class ControlTokens { parse, as_text, refuse };

struct EncodeOptions {
  ControlTokens control_tokens = ControlTokens::parse;
  size_t max_ids = SIZE_MAX;  // stop after so many ids of the text
  bool keep_ids = true;       // false: count them only
};

// The conversion of one text, in steps, so that texts can take turns.
class Encoding {
 public:
  // Lone surrogates in the text become U+FFFD.
  Encoding(std::shared_ptr<const Tokenizer> tokenizer, std::u16string text,
           const EncodeOptions& options);
  ~Encoding();
  Encoding(Encoding&&) noexcept;

  // Works for some 0.1 ms, but searches for added tokens, normalizes and ends words without a
  // pause: 5 to 50 ns a character. Returns false when the text is done.
  bool step();

  // The ids of the text so far, without those before and after it.
  const std::vector<uint32_t>& ids() const;
  size_t count() const;

  // The added token that ended the conversion: a control token that is refused, or a token whose id
  // is not smaller than `rows`.
  struct Refused {
    uint32_t id;
    std::string content;
  };
  std::optional<Refused> refused() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace qwen3
