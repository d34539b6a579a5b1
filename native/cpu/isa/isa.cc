#include "cpu/isa/isa.h"

#include <algorithm>
#include <iterator>

#include "cpu/isa/find_kernels.h"
#include "cpu/isa/tables.h"
#include "platform/processor.h"

namespace qwen3 {
namespace {

constexpr const char* kNames[] = {"scalar", "avx2", "avx512", "avx512bf16", "neon", "neonbf16"};

}  // namespace

const char* to_string(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::optional<Isa> parse_isa(std::string_view word) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), word);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Isa>(found - std::begin(kNames));
}

Isa best_isa() { return available_isas().back(); }

#if defined(__x86_64__) && defined(__GNUC__)

// The builtin checks that the processor has the feature and that the operating system saves its
// registers.
std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::scalar};
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return isas;
  isas.push_back(Isa::avx2);
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return isas;
  }
  isas.push_back(Isa::avx512);
  if (__builtin_cpu_supports("avx512bf16")) isas.push_back(Isa::avx512bf16);
  return isas;
}

const cpu::Kernels& cpu::find_kernels(Isa isa, DType weights) {
  const bool f32 = weights == DType::f32;
  switch (isa) {
    case Isa::avx2: return f32 ? kAvx2F32 : kAvx2Bf16;
    case Isa::avx512: return f32 ? kAvx512F32 : kAvx512Bf16;
    case Isa::avx512bf16: return f32 ? kAvx512F32 : kAvx512Bf16Bf16;
    default: return f32 ? kScalarF32 : kScalarBf16;
  }
}

#elif defined(__aarch64__) && defined(__GNUC__)

// Every 64-bit ARM processor has NEON.
std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::scalar, Isa::neon};
  if (arm_has_bf16()) isas.push_back(Isa::neonbf16);
  return isas;
}

const cpu::Kernels& cpu::find_kernels(Isa isa, DType weights) {
  const bool f32 = weights == DType::f32;
  switch (isa) {
    case Isa::neon: return f32 ? kNeonF32 : kNeonBf16;
    case Isa::neonbf16: return f32 ? kNeonF32 : kNeonBf16Bf16;
    default: return f32 ? kScalarF32 : kScalarBf16;
  }
}

#else

std::vector<Isa> available_isas() { return {Isa::scalar}; }

const cpu::Kernels& cpu::find_kernels(Isa, DType weights) {
  return weights == DType::f32 ? kScalarF32 : kScalarBf16;
}

#endif

}  // namespace qwen3
