// Memory of a backend in which nothing goes unnoticed: round it, and in every gap, lies a bit pattern that is a
// signalling NaN in f32 and bf16, a NaN in f16 and a far too large number as an index. Who reads it gives NaN or
// crashes; who writes over it, even by adding to it, changes bits that are checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "backends.h"

namespace qwen3::test {

constexpr uint32_t kSentinel = 0x7fa57fa5;

// A backend under test, with what tests need beside it.
struct Device {
  Device(const BackendEntry& entry, size_t variant);

  std::string name;
  std::unique_ptr<Backend> owned;
  Backend& on;
  std::function<void(void* to, const void* from, size_t bytes)> download;
  DType input, output;  // of the backend's traits

  void sync();  // fails the test where the backend fails
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
  // More than 12 rows of the widest matrix tested: a tile that runs over the last row is still caught.
  static constexpr size_t kGuard = 32768;
  Device& device_;
  size_t bytes_;
  unsigned char* memory_;
};

// Rows of f32 or bf16 with sentinels from the last column to the stride.
class GuardedMatrix {
 public:
  // All sentinels, or `values` [rows, cols], which `dtype` must hold exactly.
  GuardedMatrix(Device& device, uint32_t rows, uint32_t cols, uint32_t stride, DType dtype,
                const std::vector<float>* values = nullptr);

  operator Matrix() const { return matrix_; }  // NOLINT: a test hands it to ops as what it stands for
  std::vector<float> read() const;             // [rows, cols]; checks the guards and the gaps

 private:
  Matrix matrix_;
  GuardedMemory memory_;
};

// An array without gaps, for ids, spans and block tables.
template <typename T>
class GuardedArray {
 public:
  GuardedArray(Device& device, const std::vector<T>& values) : memory_(device, values.size() * sizeof(T)) {
    if (!values.empty()) memory_.write(0, values.data(), values.size() * sizeof(T));
  }
  const T* data() const { return static_cast<const T*>(memory_.data()); }
  T* data() { return static_cast<T*>(memory_.data()); }
  void check() const { (void)memory_.read(); }

 private:
  GuardedMemory memory_;
};

// A weight that was stored by the backend, at once or in pieces of `piece_rows`.
class StoredWeight {
 public:
  StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols, const std::vector<float>& values,
               uint32_t piece_rows = UINT32_MAX);
  // From bytes as they lie in a checkpoint.
  StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols, const void* bytes, DType stored,
               uint32_t piece_rows);

  operator Matrix() const { return matrix_; }  // NOLINT
  void check() const { (void)memory_.read(); }

 private:
  WeightLayout layout_;
  GuardedMemory memory_;
  Matrix matrix_;
};

}  // namespace qwen3::test
