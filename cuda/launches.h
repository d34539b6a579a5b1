// Kernel launches that are recorded and made later, together. Kernels, grids and parameters are
// stored by value and padding is zeroed, so lists with equal bytes do the same work.
// Included by runtime.h, after CUDA's headers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>

namespace qwen3::cuda {

using Failure = const char*;
struct Stream;  // runtime.h's

class Launches {
 public:
  // Allocates room for `bytes`. False if there is not enough memory.
  bool open(size_t bytes) {
    bytes_.reset(new (std::nothrow) unsigned char[bytes]);
    size_ = bytes_ ? bytes : 0;
    used_ = 0;
    return bytes_ != nullptr;
  }
  bool copy(const Launches& other) {
    if (!open(other.used_)) return false;
    std::memcpy(bytes_.get(), other.bytes_.get(), other.used_);
    used_ = other.used_;
    return true;
  }

  bool empty() const { return used_ == 0; }
  bool has_room_for(size_t bytes) const { return size_ - used_ >= bytes; }
  void clear() { used_ = 0; }

  template <typename... Parameters, typename... Arguments>
  Failure add(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared_bytes,
              Arguments... arguments) {
    const Recorded recorded{launch_one<Parameters...>,
                            reinterpret_cast<void (*)()>(kernel),
                            grid,
                            threads,
                            shared_bytes,
                            (size_t{0} + ... + room_of<std::remove_cv_t<Parameters>>())};
    if (!has_room_for(sizeof recorded + recorded.parameter_bytes))
      return "a batch has too many launches";
    append(recorded);
    (append(static_cast<std::remove_cv_t<Parameters>>(arguments)), ...);
    return nullptr;
  }

  // Makes all recorded launches. The record stays.
  Failure launch_on(const Stream& stream) const {
    for (size_t at = 0; at < used_;) {
      Recorded recorded;
      std::memcpy(&recorded, &bytes_[at], sizeof recorded);
      at += sizeof recorded;
      if (const Failure failure = recorded.launch(stream, recorded, &bytes_[at])) return failure;
      at += recorded.parameter_bytes;
    }
    return nullptr;
  }

  friend bool operator==(const Launches& a, const Launches& b) {
    return a.used_ == b.used_ &&
           (a.used_ == 0 || std::memcmp(a.bytes_.get(), b.bytes_.get(), a.used_) == 0);
  }

 private:
  struct Recorded {
    Failure (*launch)(const Stream&, const Recorded&, const unsigned char* parameters);
    void (*kernel)();
    dim3 grid;
    unsigned threads;
    size_t shared_bytes, parameter_bytes;
  };
  static_assert(std::has_unique_object_representations_v<Recorded>);

  template <typename T>
  static constexpr size_t room_of() {
    return (sizeof(T) + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
  }

  template <typename T>
  void append(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    __builtin_clear_padding(&value);
    std::memset(&bytes_[used_ + room_of<T>() - sizeof(uint64_t)], 0, sizeof(uint64_t));
    std::memcpy(&bytes_[used_], &value, sizeof value);
    used_ += room_of<T>();
  }

  template <typename T>
  static T read_next(const unsigned char** from) {
    T value;
    std::memcpy(&value, *from, sizeof value);
    *from += room_of<T>();
    return value;
  }

  template <typename... Parameters>
  static Failure launch_one(const Stream& stream, const Recorded& recorded,
                            const unsigned char* parameters) {
    const std::tuple<std::remove_cv_t<Parameters>...> values{
        read_next<std::remove_cv_t<Parameters>>(&parameters)...};
    return std::apply(
        [&](const auto&... each) {
          return launch(stream, reinterpret_cast<void (*)(Parameters...)>(recorded.kernel),
                        recorded.grid, recorded.threads, recorded.shared_bytes, each...);
        },
        values);
  }

  std::unique_ptr<unsigned char[]> bytes_;
  size_t size_ = 0, used_ = 0;
};

}  // namespace qwen3::cuda
