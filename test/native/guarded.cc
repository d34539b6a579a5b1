#include "guarded.h"

#include <algorithm>
#include <cstring>

#include "number.h"

namespace qwen3::test {

Device::Device(const BackendEntry& entry, size_t variant)
    : name(entry.name), owned(entry.open[variant]()), on(*owned), download(entry.download) {
  const Backend::Traits traits = on.traits();
  input = traits.input;
  output = traits.output;
}

Device open_reference() { return Device(reference_entry(), 0); }

void Device::sync() {
  const char* failure = on.sync();
  expect(!failure, std::string("sync: ") + (failure ? failure : ""));
}

GuardedMemory::GuardedMemory(Device& device, size_t bytes)
    : device_(device),
      bytes_(bytes),
      memory_(static_cast<unsigned char*>(device.on.allocate(bytes + 2 * kGuard))) {
  expect(memory_ != nullptr, "allocate gave null");
  expect(reinterpret_cast<uintptr_t>(memory_) % 64 == 0, "allocate gave memory that is not 64-byte aligned");
  const std::vector<uint32_t> sentinels((bytes + 2 * kGuard + 3) / 4, kSentinel);
  device.on.upload(memory_, sentinels.data(), bytes + 2 * kGuard);
  device.sync();
}

GuardedMemory::~GuardedMemory() { device_.on.release(memory_); }

void GuardedMemory::write(size_t offset, const void* from, size_t bytes) {
  device_.on.upload(memory_ + kGuard + offset, from, bytes);
  device_.sync();
}

std::vector<unsigned char> GuardedMemory::read() const {
  std::vector<unsigned char> all(bytes_ + 2 * kGuard);
  device_.download(all.data(), memory_, all.size());
  static const std::vector<uint32_t> sentinels(kGuard / 4 + 1, kSentinel);
  // The pattern goes on from the start of the memory: bytes % 4 is where it stands at the end.
  const auto* pattern = reinterpret_cast<const unsigned char*>(sentinels.data());
  const auto intact = [&](const unsigned char* guard, size_t phase) {
    return std::memcmp(guard, pattern + phase, kGuard) == 0;
  };
  expect(intact(all.data(), 0), "something was written before the start");
  expect(intact(all.data() + kGuard + bytes_, bytes_ % 4), "something was written past the end");
  return {all.begin() + kGuard, all.end() - kGuard};
}

GuardedMatrix::GuardedMatrix(Device& device, uint32_t rows, uint32_t cols, uint32_t stride, DType dtype,
                             const std::vector<float>* values)
    : memory_(device, size_t{rows} * stride * bytes_of(dtype)) {
  matrix_ = {memory_.data(), rows, cols, stride, dtype};
  if (!values) return;
  expect(values->size() == size_t{rows} * cols, "the test gives a matrix the wrong number of values");
  std::vector<uint16_t> halves(values->size());
  std::transform(values->begin(), values->end(), halves.begin(), to_bf16);
  const auto* bytes = dtype == DType::f32 ? reinterpret_cast<const unsigned char*>(values->data())
                                          : reinterpret_cast<const unsigned char*>(halves.data());
  const size_t row_bytes = cols * bytes_of(dtype);
  for (uint32_t r = 0; r < rows; ++r) {
    memory_.write(size_t{r} * stride * bytes_of(dtype), bytes + r * row_bytes, row_bytes);
  }
}

std::vector<float> GuardedMatrix::read() const {
  const std::vector<unsigned char> bytes = memory_.read();
  const size_t size = bytes_of(matrix_.dtype);
  std::vector<float> values;
  values.reserve(size_t{matrix_.rows} * matrix_.cols);
  for (uint32_t r = 0; r < matrix_.rows; ++r) {
    for (uint32_t c = 0; c < matrix_.stride; ++c) {
      const unsigned char* at = bytes.data() + (size_t{r} * matrix_.stride + c) * size;
      uint32_t bits = 0;
      std::memcpy(&bits, at, size);
      if (c < matrix_.cols) {
        values.push_back(size == 4 ? float_of(bits) : from_bf16(static_cast<uint16_t>(bits)));
      } else {
        expect(bits == (size == 4 ? kSentinel : kSentinel & 0xffff),
               "wrote into the gap of row " + std::to_string(r) + ", column " + std::to_string(c));
      }
    }
  }
  return values;
}

StoredWeight::StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols, const void* bytes,
                           DType stored, uint32_t piece_rows)
    : layout_(device.on.weight_layout(use, rows, cols, stored)),
      memory_(device, layout_.bytes),
      matrix_{memory_.data(), rows, cols, cols, layout_.dtype} {
  const size_t row_bytes = cols * bytes_of(stored);
  // Each piece in memory of its own, at an odd address: nothing beside it may be read.
  for (uint32_t first = 0; first < rows; first += std::min(piece_rows, rows - first)) {
    const uint32_t count = std::min(piece_rows, rows - first);
    std::vector<unsigned char> piece(1 + count * row_bytes);
    std::memcpy(piece.data() + 1, static_cast<const unsigned char*>(bytes) + first * row_bytes,
                count * row_bytes);
    device.on.store_weight(matrix_, use, first, count, piece.data() + 1, stored);
  }
  device.sync();
}

StoredWeight::StoredWeight(Device& device, WeightUse use, uint32_t rows, uint32_t cols,
                           const std::vector<float>& values, uint32_t piece_rows)
    : StoredWeight(device, use, rows, cols, values.data(), DType::f32, piece_rows) {}

}  // namespace qwen3::test
