// The interface of cuda/ptx.cuh for the CPU: the same names, layouts and rounding, after the PTX
// ISA. Every wrapper receives the location of its caller, so that a report can name file and line.
#pragma once
#define QWEN3_CUDA_PTX_CUH  // cuda/ptx.cuh becomes empty

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace emulator {

using Lane = uint32_t;

// Bit patterns of the 16-bit formats. Rounds to nearest even; any NaN becomes 0x7fff, as with
// cvt.rn.
inline uint16_t to_bf16_bits(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline uint16_t to_f16_bits(float value) {
  if (std::isnan(value)) return 0x7fff;
  return __builtin_bit_cast(uint16_t, static_cast<_Float16>(value));
}

// Shared memory of the running block, with the requested alignment and no larger one.
void* shared_base(size_t alignment);
uint32_t shared_address(const void* p);

void barrier(const char* file, int line);
void named_barrier(int id, int threads, const char* file, int line);
void named_arrival(int id, int threads, const char* file, int line);
void warp_barrier(const char* file, int line);
uint32_t shuffle(uint32_t value, Lane from, const char* file, int line);
Lane lane();
uint32_t atomic_add(uint32_t* to, uint32_t value, const char* file, int line);

void wait_for_previous();

void cp_async(uint32_t to, const void* from, int bytes, const char* file, int line);
void cp_async_commit();
void cp_async_wait(int groups_left);

void ldmatrix_x4(uint32_t (&registers)[4], bool transposed, uint32_t address, const char* file,
                 int line);

// `sum` is int32_t[4] for s8, else float[4].
enum class Multiplicand { bf16, f16, s8 };
void mma(void* sum, const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Multiplicand type,
         const char* file, int line);

// A matrix that TMA copies in boxes of `box_rows` rows of 128 bytes.
struct TensorMap {
  const char* data;
  uint32_t rows, cols, stride_bytes, element_bytes, box_rows;
};
void mbarrier_init(uint32_t address, uint32_t count, const char* file, int line);
void fence_mbarrier_init();
void mbarrier_arrive(uint32_t address, uint32_t bytes, const char* file, int line);
void mbarrier_wait(uint32_t address, uint32_t parity, const char* file, int line);
void tma_load_2d(uint32_t to, const TensorMap& map, uint32_t mbarrier, int32_t x, int32_t y,
                 const char* file, int line);
void tma_store_2d(uint32_t from, const TensorMap& map, int32_t x, int32_t y, bool adds,
                  const char* file, int line);
void tma_commit();
void tma_wait_read(int groups_left);
void fence_proxy_async();

// `sums` is int32_t[cols / 2] for s8, else float[cols / 2].
void wgmma(void* sums, uint32_t cols, uint64_t a, uint64_t b, bool accumulate, Multiplicand type,
           const char* file, int line);
// As `wgmma`, with `a` in registers and b stored as [k, cols].
void wgmma_registers(float* sums, uint32_t cols, const uint32_t (&a)[4], uint64_t b,
                     bool accumulate, Multiplicand type, const char* file, int line);
void wgmma_fence(const char* file, int line);
void wgmma_commit(const char* file, int line);
void wgmma_wait(int groups_left, const char* file, int line);

}  // namespace emulator

#define EMULATOR_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace qwen3::cuda {

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

inline float to_float(float value) { return value; }
inline float to_float(bf16 value) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(value.bits) << 16);
}
inline float to_float(f16 value) {
  return static_cast<float>(__builtin_bit_cast(_Float16, value.bits));
}

template <typename T>
T from_float(float value);
template <>
inline bf16 from_float<bf16>(float value) {
  return {emulator::to_bf16_bits(value)};
}
template <>
inline f16 from_float<f16>(float value) {
  return {emulator::to_f16_bits(value)};
}

template <typename T>
uint32_t pack(float low, float high) {
  return from_float<T>(low).bits | static_cast<uint32_t>(from_float<T>(high).bits) << 16;
}

inline int32_t round_to_int(float value) {
  return std::isnan(value) ? 0 : static_cast<int32_t>(std::nearbyint(value));
}

inline float exp2_approx(float x) { return std::exp2(x); }
inline float reciprocal_approx(float x) { return 1 / x; }
inline float multiply(float a, float b) { return a * b; }

template <typename T>
T* shared_memory() {
  return static_cast<T*>(emulator::shared_base(alignof(T)));
}
inline uint32_t shared_address(const void* p) { return emulator::shared_address(p); }

inline void sync_block(EMULATOR_CALLER) { emulator::barrier(file, line); }
inline void sync_warp(EMULATOR_CALLER) { emulator::warp_barrier(file, line); }
inline float shuffle_xor(float value, int mask, EMULATOR_CALLER) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  return __builtin_bit_cast(
      float, emulator::shuffle(bits, emulator::lane() ^ static_cast<uint32_t>(mask), file, line));
}
inline uint32_t first_lane(uint32_t value, EMULATOR_CALLER) {
  return emulator::shuffle(value, 0, file, line);
}

inline void scheduling_barrier(bool never) {
  if (never) __builtin_trap();
}

inline uint32_t atomic_add(uint32_t* to, uint32_t value, EMULATOR_CALLER) {
  return emulator::atomic_add(to, value, file, line);
}

inline void cp_async_16(uint32_t to, const void* from, int bytes, EMULATOR_CALLER) {
  emulator::cp_async(to, from, bytes, file, line);
}
inline void cp_async_commit() { emulator::cp_async_commit(); }
template <int kGroupsLeft>
void cp_async_wait() {
  emulator::cp_async_wait(kGroupsLeft);
}

inline void ldmatrix_x4(uint32_t (&registers)[4], uint32_t address, EMULATOR_CALLER) {
  emulator::ldmatrix_x4(registers, false, address, file, line);
}
inline void ldmatrix_x4_trans(uint32_t (&registers)[4], uint32_t address, EMULATOR_CALLER) {
  emulator::ldmatrix_x4(registers, true, address, file, line);
}

template <typename T>
void mma(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, EMULATOR_CALLER);
template <typename T>
void mma(int32_t (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, EMULATOR_CALLER);
template <>
inline void mma<bf16>(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                      const char* file, int line) {
  emulator::mma(sum, a, b0, b1, emulator::Multiplicand::bf16, file, line);
}
template <>
inline void mma<f16>(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                     const char* file, int line) {
  emulator::mma(sum, a, b0, b1, emulator::Multiplicand::f16, file, line);
}
template <>
inline void mma<int8_t>(int32_t (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                        const char* file, int line) {
  emulator::mma(sum, a, b0, b1, emulator::Multiplicand::s8, file, line);
}

inline void sync_threads(int id, int threads, EMULATOR_CALLER) {
  emulator::named_barrier(id, threads, file, line);
}
inline void arrive_threads(int id, int threads, EMULATOR_CALLER) {
  emulator::named_arrival(id, threads, file, line);
}

inline void wait_for_previous() { emulator::wait_for_previous(); }
inline void let_next_begin() {}

constexpr bool kHasWgmma = true;
[[noreturn]] inline void trap() { __builtin_trap(); }

inline void mbarrier_init(uint32_t barrier, uint32_t arrivals, EMULATOR_CALLER) {
  emulator::mbarrier_init(barrier, arrivals, file, line);
}
inline void fence_mbarrier_init() { emulator::fence_mbarrier_init(); }
inline void mbarrier_arrive(uint32_t barrier, EMULATOR_CALLER) {
  emulator::mbarrier_arrive(barrier, 0, file, line);
}
inline void mbarrier_arrive_expecting(uint32_t barrier, uint32_t bytes, EMULATOR_CALLER) {
  emulator::mbarrier_arrive(barrier, bytes, file, line);
}
inline void mbarrier_wait(uint32_t barrier, uint32_t parity, EMULATOR_CALLER) {
  emulator::mbarrier_wait(barrier, parity, file, line);
}
inline void tma_load_2d(uint32_t to, const emulator::TensorMap* map, uint32_t barrier, int32_t x,
                        int32_t y, EMULATOR_CALLER) {
  emulator::tma_load_2d(to, *map, barrier, x, y, file, line);
}
inline void tma_store_2d(const emulator::TensorMap* map, uint32_t from, int32_t x, int32_t y,
                         EMULATOR_CALLER) {
  emulator::tma_store_2d(from, *map, x, y, false, file, line);
}
inline void tma_add_2d(const emulator::TensorMap* map, uint32_t from, int32_t x, int32_t y,
                       EMULATOR_CALLER) {
  emulator::tma_store_2d(from, *map, x, y, true, file, line);
}
inline void tma_commit() { emulator::tma_commit(); }
template <int kGroupsLeft>
void tma_wait_read() {
  emulator::tma_wait_read(kGroupsLeft);
}
inline void fence_proxy_async() { emulator::fence_proxy_async(); }

template <typename T>
constexpr emulator::Multiplicand kMultiplicand = emulator::Multiplicand::s8;
template <>
constexpr emulator::Multiplicand kMultiplicand<bf16> = emulator::Multiplicand::bf16;
template <>
constexpr emulator::Multiplicand kMultiplicand<f16> = emulator::Multiplicand::f16;
template <typename T, typename Sum, uint32_t kSums>
void wgmma(Sum (&sum)[kSums], uint64_t a, uint64_t b, bool accumulate, EMULATOR_CALLER) {
  static_assert(std::is_same_v<Sum, int32_t> == std::is_same_v<T, int8_t>);
  emulator::wgmma(sum, kSums * 2, a, b, accumulate, kMultiplicand<T>, file, line);
}
template <typename T>
void wgmma_registers(float (&sum)[64], const uint32_t (&a)[4], uint64_t b, bool accumulate,
                     EMULATOR_CALLER) {
  emulator::wgmma_registers(sum, 128, a, b, accumulate, kMultiplicand<T>, file, line);
}
inline void wgmma_fence(EMULATOR_CALLER) { emulator::wgmma_fence(file, line); }
inline void wgmma_commit(EMULATOR_CALLER) { emulator::wgmma_commit(file, line); }
template <int kGroupsLeft>
void wgmma_wait(EMULATOR_CALLER) {
  emulator::wgmma_wait(kGroupsLeft, file, line);
}
template <int kRegisters>
void release_registers() {}
template <int kRegisters>
void claim_registers() {}

}  // namespace qwen3::cuda
#undef EMULATOR_CALLER
