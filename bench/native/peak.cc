#include "peak.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__) && defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 warns about its AVX-512 header
#include <immintrin.h>

namespace qwen3::bench {
namespace {

constexpr int kSteps = 100'000;

// The empty asm statements keep the compiler from merging equal chains and from removing unused
// results.

// More chains than latency x units (4 x 2 to 5 x 2), and few enough for the registers.
[[gnu::target("avx2,fma")]] void fma_avx2() {
  constexpr int kChains = 12;
  const __m256 half = _mm256_set1_ps(0.5f);
  __m256 sum[kChains] = {};
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) asm volatile("" : "+x"(sum[i]));
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sum[i] = _mm256_fmadd_ps(half, sum[i], half);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) asm volatile("" : : "x"(sum[i]));
}

[[gnu::target("avx512f")]] void fma_avx512() {
  constexpr int kChains = 24;
  const __m512 half = _mm512_set1_ps(0.5f);
  __m512 sum[kChains] = {};
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) asm volatile("" : "+v"(sum[i]));
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) sum[i] = _mm512_fmadd_ps(half, sum[i], half);
  }
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) asm volatile("" : : "v"(sum[i]));
}

[[gnu::target("avx512f,avx512bf16")]] void dot_avx512bf16() {
  constexpr int kChains = 24;
  __m512 sum[kChains] = {};
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) asm volatile("" : "+v"(sum[i]));
  const __m512i ones = _mm512_set1_epi32(0x3f803f80);
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) {
      sum[i] = _mm512_dpbf16_ps(sum[i], reinterpret_cast<__m512bh>(ones),
                                reinterpret_cast<__m512bh>(ones));
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) asm volatile("" : : "v"(sum[i]));
}

// The asm barriers keep the compiler from folding the additions into one. The operand is in a
// register, so that the processor does not fold additions of a constant either.
void additions(uint64_t count) {
  uint64_t sum = 0, one = 1;
  asm volatile("" : "+r"(one));
  for (uint64_t i = 0; i < count; i += 32) {
#pragma GCC unroll 32
    for (int j = 0; j < 32; ++j) {
      sum += one;
      asm volatile("" : "+r"(sum));
    }
  }
}

}  // namespace

PeakLoop peak_loop(Isa isa, DType weights) {
  switch (isa) {
    case Isa::avx2: return {"vfmadd ymm", 2.0 * 8 * 12 * kSteps, fma_avx2};
    case Isa::avx512bf16:
      if (weights == DType::bf16) return {"vdpbf16ps zmm", 2.0 * 32 * 24 * kSteps, dot_avx512bf16};
      [[fallthrough]];
    case Isa::avx512: return {"vfmadd zmm", 2.0 * 16 * 24 * kSteps, fma_avx512};
    default: return {};
  }
}

double clock_hertz() {
  using Clock = std::chrono::steady_clock;
  constexpr uint64_t kAdditions = 20'000'000;
  double best = 0;  // other load can only make the loop slower
  for (int round = 0; round < 8; ++round) {
    const auto start = Clock::now();
    additions(kAdditions);
    best = std::max(best, kAdditions / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace qwen3::bench

#else

namespace qwen3::bench {

PeakLoop peak_loop(Isa, DType) { return {}; }
double clock_hertz() { return 0; }

}  // namespace qwen3::bench

#endif
