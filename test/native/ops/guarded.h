// Backend memory that detects stray accesses. Sentinels surround it and fill every gap: a bit
// pattern that is a signalling NaN in f32 and bf16, a NaN in f16, and far too large as an index.
// Code that reads it computes NaN or crashes. Code that writes it, or adds to it, changes bits that
// are checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "ops/backends.h"

namespace qwen3::test {

constexpr uint32_t kSentinel = 0x7fa57fa5;

// A backend under test, and what tests need in addition.
struct Device {
  Device(const BackendEntry& entry, size_t variant);

  std::string name;
  std::unique_ptr<Backend> owned;
  Backend& backend;
  std::function<void(void* to, const void* from, size_t bytes)> download;
  DType normed, input, output;  // of the backend's traits
  bool emulated;                // BackendEntry::emulated

  void sync();  // fails the test if the backend fails
};

Device open_reference();

class GuardedMemory {
 public:
  GuardedMemory(Device& device, size_t bytes);
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory&) = delete;

  void* data() const { return memory_ + kGuard; }
  void write(size_t offset, const void* from, size_t bytes);
  std::vector<unsigned char> read() const;  // checks both guards

 private:
  // Larger than 12 rows of the widest matrix tested, so that it catches a tile that extends past
  // the last row.
  static constexpr size_t kGuard = 32768;
  Device& device_;
  size_t bytes_;
  unsigned char* memory_;
};

// An array without gaps, for ids, spans and block tables.
template <typename T>
class GuardedArray {
 public:
  GuardedArray(Device& device, const std::vector<T>& values)
      : memory_(device, values.size() * sizeof(T)) {
    if (!values.empty()) memory_.write(0, values.data(), values.size() * sizeof(T));
  }
  const T* data() const { return static_cast<const T*>(memory_.data()); }
  T* data() { return static_cast<T*>(memory_.data()); }
  std::vector<T> read() const {  // checks both guards
    const std::vector<unsigned char> bytes = memory_.read();
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  void check() const { (void)memory_.read(); }

 private:
  GuardedMemory memory_;
};

// Rows of values with sentinels after the last column. If linear ops can read the dtype, the matrix
// has scales, which are initially 1, or those of the s8 rows.
class GuardedMatrix {
 public:
  // `values`: [rows, cols], exact in `dtype`; null: all sentinels. `gap`: minimum number of
  // elements between the last column and the next row; rows begin at multiples of 16 bytes.
  GuardedMatrix(Device& device, uint32_t rows, uint32_t cols, uint32_t gap, DType dtype,
                const std::vector<float>* values = nullptr);

  // Implicit, so that tests pass it to ops as a Matrix.
  operator Matrix() const { return matrix_; }  // NOLINT
  // The values [rows, cols]: multiplied by their row's scale; s8 rows are rotated back. Checks the
  // guards and the gaps.
  std::vector<float> read() const;

 private:
  Matrix matrix_;
  GuardedMemory memory_;
  std::unique_ptr<GuardedArray<float>> scales_;
};

// A weight that the backend has stored, at once or in pieces of `piece_rows` rows.
class StoredWeight {
 public:
  StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols,
               const std::vector<float>& values, uint32_t piece_rows = UINT32_MAX);
  // From a checkpoint's bytes.
  StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols, const void* bytes,
               DType stored, uint32_t piece_rows);

  operator Matrix() const { return matrix_; }  // NOLINT
  void check() const { (void)memory_.read(); }
  std::vector<unsigned char> read() const { return memory_.read(); }

 private:
  WeightLayout layout_;
  GuardedMemory memory_;
  Matrix matrix_;
};

}  // namespace qwen3::test
