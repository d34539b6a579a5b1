// Conversion of a checkpoint's numbers, read at any alignment. Only for the portable files of this
// folder: a translation unit that is compiled for one instruction set must not use inline functions
// (see kernels.h).
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "backend/backend.h"

namespace qwen3::cpu {

inline float bf16_to_f32(uint16_t half) { return std::bit_cast<float>(uint32_t{half} << 16); }

inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = uint32_t{half & 0x7fffu} << 13;
  // The multiplication changes the exponent bias, and normalizes subnormal numbers too.
  const float value = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t bits =
      magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>(sign | bits);
}

// Rounds to nearest, ties to even. A NaN stays a NaN.
inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

template <DType dtype>
struct Stored {
  static float at(const unsigned char* values, size_t index) {
    uint16_t half;
    std::memcpy(&half, values + index * sizeof half, sizeof half);
    return dtype == DType::bf16 ? bf16_to_f32(half) : f16_to_f32(half);
  }
};

template <>
struct Stored<DType::f32> {
  static float at(const unsigned char* values, size_t index) {
    float value;
    std::memcpy(&value, values + index * sizeof value, sizeof value);
    return value;
  }
};

// Calls function(Stored<dtype>{}), so that the dtype is a compile-time constant in its loops.
template <typename Function>
void with_stored(DType dtype, Function&& function) {
  switch (dtype) {
    case DType::f32: return function(Stored<DType::f32>{});
    case DType::bf16: return function(Stored<DType::bf16>{});
    case DType::f16: return function(Stored<DType::f16>{});
    case DType::s8: break;  // in no checkpoint
  }
}

}  // namespace qwen3::cpu
