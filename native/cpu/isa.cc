// Which instruction sets there are, and which of them this machine runs.
#include <algorithm>
#include <iterator>

#include "cpu/cpu_backend.h"
#include "cpu/find_kernels.h"

namespace qwen3 {
namespace {

constexpr const char* kNames[] = {"scalar", "avx2", "avx512", "avx512bf16"};

}  // namespace

const char* to_string(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::optional<Isa> parse_isa(std::string_view word) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), word);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Isa>(found - std::begin(kNames));
}

#if defined(__x86_64__) && defined(__GNUC__)

// The builtin asks the processor, and the operating system whether it keeps the registers.
Isa best_isa() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::scalar;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return Isa::avx2;
  }
  return __builtin_cpu_supports("avx512bf16") ? Isa::avx512bf16 : Isa::avx512;
}

const cpu::Kernels& cpu::find_kernels(Isa isa, DType weights) {
  const bool f32 = weights == DType::f32;
  switch (isa) {
    case Isa::scalar: break;
    case Isa::avx2: return f32 ? kAvx2F32 : kAvx2Bf16;
    case Isa::avx512: return f32 ? kAvx512F32 : kAvx512Bf16;
    case Isa::avx512bf16: return f32 ? kAvx512F32 : kAvx512Bf16Bf16;
  }
  return f32 ? kScalarF32 : kScalarBf16;
}

#else

Isa best_isa() { return Isa::scalar; }

const cpu::Kernels& cpu::find_kernels(Isa, DType weights) {
  return weights == DType::f32 ? kScalarF32 : kScalarBf16;
}

#endif

}  // namespace qwen3
