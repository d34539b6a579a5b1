#include "ops/guarded.h"

#include <algorithm>
#include <cstring>

#include "ops/number.h"
#include "ops/rotated.h"

namespace qwen3::test {
namespace {

template <typename T>
std::vector<unsigned char> bytes_of_values(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

// The bytes of a row in `dtype`. Writes `scale` only if `dtype` is s8.
std::vector<unsigned char> encoded(const float* row, uint32_t cols, DType dtype, float* scale) {
  if (dtype == DType::f32) return bytes_of_values(std::vector<float>(row, row + cols));
  if (dtype == DType::s8) {
    const QuantizedRow integers = quantized(row, cols);
    *scale = integers.scale;
    return bytes_of_values(integers.values);
  }
  std::vector<uint16_t> halves(cols);
  std::transform(row, row + cols, halves.begin(), dtype == DType::bf16 ? to_bf16 : to_f16);
  return bytes_of_values(halves);
}

std::vector<float> decoded(const unsigned char* bytes, uint32_t cols, DType dtype, float scale) {
  if (dtype == DType::s8) {
    const auto* values = reinterpret_cast<const int8_t*>(bytes);
    return dequantized({{values, values + cols}, scale});
  }
  std::vector<float> row(cols);
  if (dtype == DType::f32) {
    std::memcpy(row.data(), bytes, cols * sizeof(float));
  } else {
    std::vector<uint16_t> halves(cols);
    std::memcpy(halves.data(), bytes, cols * sizeof(uint16_t));
    std::transform(halves.begin(), halves.end(), row.begin(),
                   dtype == DType::bf16 ? from_bf16 : from_f16);
  }
  if (scale != 1) {  // a multiplication by 1 would change the bits of a NaN
    for (float& value : row) value *= scale;
  }
  return row;
}

}  // namespace

Device::Device(const BackendEntry& entry, size_t variant)
    : name(entry.name),
      owned(entry.open[variant]()),
      backend(*owned),
      download(entry.download),
      emulated(entry.emulated) {
  const Backend::Traits traits = backend.traits();
  normed = traits.normed;
  input = traits.input;
  output = traits.output;
}

Device open_reference() { return Device(reference_entry(), 0); }

void Device::sync() {
  const char* failure = backend.sync();
  expect(!failure, std::string("sync: ") + (failure ? failure : ""));
}

GuardedMemory::GuardedMemory(Device& device, size_t bytes)
    : device_(device),
      bytes_(bytes),
      memory_(static_cast<unsigned char*>(device.backend.allocate(bytes + 2 * kGuard))) {
  expect(memory_ != nullptr, "allocate returned null");
  expect(reinterpret_cast<uintptr_t>(memory_) % 64 == 0,
         "allocate returned memory that is not 64-byte aligned");
  const std::vector<uint32_t> sentinels((bytes + 2 * kGuard + 3) / 4, kSentinel);
  device.backend.upload(memory_, sentinels.data(), bytes + 2 * kGuard);
  device.sync();
}

GuardedMemory::~GuardedMemory() { device_.backend.release(memory_); }

void GuardedMemory::write(size_t offset, const void* from, size_t bytes) {
  device_.backend.upload(memory_ + kGuard + offset, from, bytes);
  device_.sync();
}

std::vector<unsigned char> GuardedMemory::read() const {
  std::vector<unsigned char> all(bytes_ + 2 * kGuard);
  device_.download(all.data(), memory_, all.size());
  static const std::vector<uint32_t> sentinels(kGuard / 4 + 1, kSentinel);
  // The pattern starts at the beginning of the memory, so the end guard begins at byte bytes % 4 of
  // it.
  const auto* pattern = reinterpret_cast<const unsigned char*>(sentinels.data());
  const auto intact = [&](const unsigned char* guard, size_t phase) {
    return std::memcmp(guard, pattern + phase, kGuard) == 0;
  };
  expect(intact(all.data(), 0), "an op wrote before the start of the memory");
  expect(intact(all.data() + kGuard + bytes_, bytes_ % 4),
         "an op wrote past the end of the memory");
  return {all.begin() + kGuard, all.end() - kGuard};
}

namespace {

uint32_t row_stride(uint32_t cols, uint32_t gap, DType dtype) {
  const auto multiple = static_cast<uint32_t>(16 / bytes_of(dtype));
  return (cols + gap + multiple - 1) / multiple * multiple;
}

}  // namespace

GuardedMatrix::GuardedMatrix(Device& device, uint32_t rows, uint32_t cols, uint32_t gap,
                             DType dtype, const std::vector<float>* values)
    : matrix_{nullptr, rows, cols, row_stride(cols, gap, dtype), dtype},
      memory_(device, size_t{rows} * matrix_.stride * bytes_of(dtype)) {
  matrix_.data = memory_.data();
  std::vector<float> scales(rows, 1);
  if (values) {
    expect(values->size() == size_t{rows} * cols,
           "the test passes the wrong number of values for a matrix");
    for (uint32_t r = 0; r < rows; ++r) {
      const std::vector<unsigned char> bytes =
          encoded(&(*values)[size_t{r} * cols], cols, dtype, &scales[r]);
      memory_.write(size_t{r} * matrix_.stride * bytes_of(dtype), bytes.data(), bytes.size());
    }
  }
  if (dtype == device.normed || dtype == device.input) {
    scales_ = std::make_unique<GuardedArray<float>>(device, scales);
    matrix_.scales = scales_->data();
  }
}

std::vector<float> GuardedMatrix::read() const {
  const std::vector<unsigned char> bytes = memory_.read();
  const std::vector<float> scales = scales_ ? scales_->read() : std::vector<float>(matrix_.rows, 1);
  const auto [data, rows, cols, stride, dtype, _] = matrix_;
  const size_t row_bytes = stride * bytes_of(dtype), used = cols * bytes_of(dtype);
  std::vector<float> values;
  values.reserve(size_t{rows} * cols);
  for (uint32_t r = 0; r < rows; ++r) {
    const unsigned char* row = bytes.data() + r * row_bytes;
    const std::vector<float> decoded_row = decoded(row, cols, dtype, scales[r]);
    values.insert(values.end(), decoded_row.begin(), decoded_row.end());
    for (size_t i = used; i < row_bytes; ++i) {
      expect(row[i] == static_cast<unsigned char>(kSentinel >> (r * row_bytes + i) % 4 * 8),
             "wrote into the gap of row " + std::to_string(r) + ", column " +
                 std::to_string(i / bytes_of(dtype)));
    }
  }
  return values;
}

StoredWeight::StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols,
                           const void* bytes, DType stored, uint32_t piece_rows)
    : layout_(device.backend.weight_layout(use, rows, cols, stored)),
      memory_(device, layout_.bytes),
      matrix_{memory_.data(), rows, cols, cols, layout_.dtype} {
  const size_t row_bytes = cols * bytes_of(stored);
  // Each piece is in memory of its own, at an odd address, so that a memory checker detects reads
  // outside it.
  for (uint32_t first = 0; first < rows; first += std::min(piece_rows, rows - first)) {
    const uint32_t count = std::min(piece_rows, rows - first);
    std::vector<unsigned char> piece(1 + count * row_bytes);
    std::memcpy(piece.data() + 1, static_cast<const unsigned char*>(bytes) + first * row_bytes,
                count * row_bytes);
    device.backend.store_weight(matrix_, use, first, count, piece.data() + 1, stored);
  }
  device.sync();
}

StoredWeight::StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols,
                           const std::vector<float>& values, uint32_t piece_rows)
    : StoredWeight(device, use, rows, cols, values.data(), DType::f32, piece_rows) {}

}  // namespace qwen3::test
