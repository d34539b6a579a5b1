// Kernels in plain C++ for any processor: loops over four floats, which the compiler may vectorize.
#include <math.h>

#include "cpu/isa/tables.h"
#include "cpu/kernels/make_kernels.h"

namespace qwen3::cpu {
namespace {

struct Scalar {
  static constexpr uint32_t kLanes = 4;
  static constexpr int kRows = 4;
  static constexpr float kMinExponent = -127;
  struct Vector {
    float lane[kLanes];
  };

  template <class Function>
  static Vector make(const Function& function) {
    Vector v;
    for (uint32_t i = 0; i < kLanes; ++i) v.lane[i] = function(i);
    return v;
  }

  static Vector zero() { return set1(0); }
  static Vector set1(float x) {
    return make([&](uint32_t) { return x; });
  }
  static Vector broadcast(const float* p) { return set1(*p); }
  static Vector load(const float* p) {
    return make([&](uint32_t i) { return p[i]; });
  }
  static Vector load(const float* p, uint32_t n) {
    return make([&](uint32_t i) { return i < n ? p[i] : 0; });
  }
  // 32-bit unit i holds column i in its low half, column i + kLanes in its high half.
  static void load_halves(const uint16_t* p, Vector& low, Vector& high) {
    low = make([&](uint32_t i) { return widen(p[2 * i]); });
    high = make([&](uint32_t i) { return widen(p[2 * i + 1]); });
  }
  static float widen(uint16_t half) {
    const uint32_t bits = uint32_t{half} << 16;
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
  }
  static void store(float* p, const Vector& v) { store(p, v, kLanes); }
  static void store(float* p, const Vector& v, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) p[i] = v.lane[i];
  }

  static Vector add(const Vector& a, const Vector& b) {
    return make([&](uint32_t i) { return a.lane[i] + b.lane[i]; });
  }
  static Vector sub(const Vector& a, const Vector& b) {
    return make([&](uint32_t i) { return a.lane[i] - b.lane[i]; });
  }
  static Vector mul(const Vector& a, const Vector& b) {
    return make([&](uint32_t i) { return a.lane[i] * b.lane[i]; });
  }
  static Vector div(const Vector& a, const Vector& b) {
    return make([&](uint32_t i) { return a.lane[i] / b.lane[i]; });
  }
  // Not fused: few processors that need these kernels have an FMA instruction, and without one
  // fmaf() is slow.
  static Vector fma(const Vector& a, const Vector& b, const Vector& c) { return add(mul(a, b), c); }
  static Vector max(const Vector& a, const Vector& b) {
    return make([&](uint32_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Vector min(const Vector& a, const Vector& b) {
    return make([&](uint32_t i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  // Adding 1.5 * 2^23 leaves no bits for a fraction, so the addition rounds. |x| < 2^22.
  static Vector round(const Vector& x) {
    return make([&](uint32_t i) { return (x.lane[i] + 0x1.8p23f) - 0x1.8p23f; });
  }
  // x * 2^exponent for integer exponents in [-127, 128]. 2^-127 becomes 0, 2^128 infinity.
  static Vector scale(const Vector& x, const Vector& exponent) {
    return make([&](uint32_t i) {
      const float biased = exponent.lane[i] + 127;
      const uint32_t bits = (biased >= 0 ? static_cast<uint32_t>(biased) : 0) << 23;
      float power;
      __builtin_memcpy(&power, &bits, sizeof power);
      return x.lane[i] * power;
    });
  }

  static Vector keep_first(const Vector& v, uint32_t n, const Vector& other) {
    return make([&](uint32_t i) { return i < n ? v.lane[i] : other.lane[i]; });
  }
  static float first(const Vector& v) { return v.lane[0]; }
  static float reduce_sum(const Vector& v) {
    return (v.lane[0] + v.lane[2]) + (v.lane[1] + v.lane[3]);
  }
  static float reduce_max(const Vector& v) {
    float most = v.lane[0];
    for (uint32_t i = 1; i < kLanes; ++i) most = most > v.lane[i] ? most : v.lane[i];
    return most;
  }
};

struct Blocks {
  static constexpr uint32_t kRows = 64, kPanels = 8, kQueryRows = 48;
};

using F32 = F32Panels<Scalar>;

}  // namespace

const Kernels kScalarF32 = make_kernels<F32, F32, Blocks>("scalar");
const Kernels kScalarBf16 = make_kernels<Bf16Halves<Scalar>, F32, Blocks>("scalar");

}  // namespace qwen3::cpu
