// exp and functions that use it, on the vectors of one instruction set.
#pragma once
#include <cstdint>

namespace qwen3::cpu {

// 2^x for |x| <= 1/2: a minimax polynomial, relative error 2e-9 before rounding.
template <class V>
inline typename V::Vector exp2_fraction(typename V::Vector x) {
  typename V::Vector sum = V::set1(0x1.41fbbcp-13f);
  sum = V::fma(sum, x, V::set1(0x1.5f3e52p-10f));
  sum = V::fma(sum, x, V::set1(0x1.3b2d4cp-7f));
  sum = V::fma(sum, x, V::set1(0x1.c6aee8p-5f));
  sum = V::fma(sum, x, V::set1(0x1.ebfbdcp-3f));
  sum = V::fma(sum, x, V::set1(0x1.62e430p-1f));
  return V::fma(sum, x, V::set1(1));
}

// 2^x with a relative error of at most 1e-7; 0 for results below 2^V::kMinExponent. A NaN stays a
// NaN, because min and max return their second operand if one is a NaN.
template <class V>
inline typename V::Vector exp2(typename V::Vector x) {
  x = V::max(V::set1(V::kMinExponent), V::min(V::set1(128), x));
  const typename V::Vector integer = V::round(x);
  return V::scale(exp2_fraction<V>(V::sub(x, integer)), integer);
}

// e^x = 2^(x log2(e)). log2(e) is split into two constants, because the rounding error of a single
// product would grow with x.
template <class V>
inline typename V::Vector exp(typename V::Vector x) {
  x = V::max(V::set1(-88), V::min(V::set1(88.8f), x));  // 88.8: infinity
  const typename V::Vector log2e = V::set1(0x1.715476p+0f);
  const typename V::Vector integer = V::round(V::mul(x, log2e));
  const typename V::Vector fraction =
      V::fma(x, V::set1(0x1.4ae0cp-26f), V::fma(x, log2e, V::sub(V::zero(), integer)));
  return V::scale(exp2_fraction<V>(fraction), integer);
}

// x / (1 + e^-x) * factor
template <class V>
inline typename V::Vector silu_times(typename V::Vector x, typename V::Vector factor) {
  const typename V::Vector denominator = V::add(V::set1(1), exp<V>(V::sub(V::zero(), x)));
  return V::mul(V::div(x, denominator), factor);
}

}  // namespace qwen3::cpu
