// One tiny kernel per wrapper of ptx.cuh that the emulator implements after the PTX ISA. Each
// kernel writes the results of all lanes, on inputs whose results are exact. gpu_conformance,
// compiled with nvcc, runs it on a GPU and shows whether the emulator is right.
// emulator_conformance runs it on the emulated device; its output is compared with conformance.txt.
// Probes whose names begin with "hopper" run only on Hopper GPUs.
#include <cstdio>
#include <iterator>
#include <type_traits>

#include "hopper.cuh"
#include "ptx.cuh"
#include "runtime.h"

namespace {

using namespace qwen3::cuda;

constexpr uint32_t kLanes = 32;
constexpr uint32_t kMaxWords = 16;  // per lane
constexpr uint32_t kSharedBytes = 4096;

__device__ uint32_t bits_of(float value) {
  union {
    float value;
    uint32_t bits;
  } both;
  both.value = value;
  return both.bits;
}

__device__ float float_of(uint32_t bits) {
  union {
    uint32_t bits;
    float value;
  } both;
  both.bits = bits;
  return both.value;
}

// Fills shared memory with the 16-bit integers 0, 1, 2, ... in rows of 16 bytes, the matrices of
// ldmatrix.
__device__ void fill_shared() {
  uint16_t* shared = reinterpret_cast<uint16_t*>(shared_memory<uint4>());
  for (uint32_t i = threadIdx.x; i < kSharedBytes / 2; i += kLanes)
    shared[i] = static_cast<uint16_t>(i);
  sync_warp();
}

template <typename T>
__global__ void converts(uint32_t* out) {
  uint32_t* mine = out + threadIdx.x * kMaxWords;
  // Ties and their neighbors, the ends of the range, zeros, infinities and NaN.
  const uint32_t inputs[] = {0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f801000,
                             0x3f803000, 0x477fe000, 0x477ff000, 0x33800000, 0x33000000,
                             0x80000000, 0xff800000, 0x7fc00000, 0x38800000};
  for (uint32_t i = 0; i < 14; ++i) {
    const T converted = from_float<T>(float_of(inputs[i] + (i < 6 ? threadIdx.x << 20 : 0)));
    mine[i] = converted.bits;
  }
  mine[14] = bits_of(to_float(T{static_cast<uint16_t>(0x0001 + threadIdx.x * 0x03f3)}));
  mine[15] = pack<T>(1.0f, -static_cast<float>(threadIdx.x));
}

__global__ void approximates(uint32_t* out) {
  uint32_t* mine = out + threadIdx.x * kMaxWords;
  mine[0] = bits_of(exp2_approx(0));
  mine[1] = bits_of(exp2_approx(-INFINITY));
  mine[2] = bits_of(exp2_approx(INFINITY));
  mine[3] = bits_of(reciprocal_approx(INFINITY));
  mine[4] = bits_of(reciprocal_approx(static_cast<float>(1u << threadIdx.x % 8)));
  const float little_more = 1 + 1.0f / 4096;
  // 0: the product is rounded before the subtraction.
  mine[5] = bits_of(multiply(little_more, little_more) - (1 + 2.0f / 4096));
}

__global__ void shuffles(uint32_t* out) {
  uint32_t* mine = out + threadIdx.x * kMaxWords;
  for (uint32_t i = 0; i < 5; ++i) {
    mine[i] = bits_of(shuffle_xor(static_cast<float>(threadIdx.x), static_cast<int>(1u << i)));
  }
  mine[5] = first_lane(threadIdx.x + 7);
}

// Every lane adds twice to its own number.
__global__ void adds(uint32_t* out) {
  uint32_t* mine = out + threadIdx.x * kMaxWords;
  mine[2] = 5;
  mine[0] = atomic_add(mine + 2, threadIdx.x);
  mine[1] = atomic_add(mine + 2, 0u - threadIdx.x);
}

// The input of copies(), written by an earlier launch.
__global__ void numbers(uint32_t* out) {
  for (uint32_t i = 8; i < kMaxWords; ++i) out[threadIdx.x * kMaxWords + i] = threadIdx.x * 256 + i;
}

__global__ void copies(uint32_t* out) {
  fill_shared();
  uint32_t* mine = out + threadIdx.x * kMaxWords;
  const uint4* shared = shared_memory<uint4>() + threadIdx.x;
  cp_async_16(shared_address(shared), mine + 8, static_cast<int>(threadIdx.x % 9 * 2));
  cp_async_commit();
  cp_async_16(shared_address(shared + kLanes), mine + 12, 16);
  cp_async_commit();
  cp_async_wait<0>();
  const uint32_t* words = reinterpret_cast<const uint32_t*>(shared);
  for (uint32_t i = 0; i < 4; ++i) mine[i] = words[i];
  for (uint32_t i = 0; i < 4; ++i) mine[4 + i] = words[kLanes * 4 + i];
}

template <bool kTransposed>
__global__ void loads_matrices(uint32_t* out) {
  fill_shared();
  uint32_t registers[4];
  const uint32_t row = shared_address(shared_memory<uint4>()) + (threadIdx.x * 5 % kLanes) * 16;
  if (kTransposed) {
    ldmatrix_x4_trans(registers, row);
  } else {
    ldmatrix_x4(registers, row);
  }
  for (uint32_t i = 0; i < 4; ++i) out[threadIdx.x * kMaxWords + i] = registers[i];
}

// The elements of a and b are small integers, so sums are exact in any order.
template <typename T>
__global__ void multiplies(uint32_t* out) {
  const uint32_t lane = threadIdx.x;
  uint32_t a[4], b[2];
  for (uint32_t i = 0; i < 4; ++i) {
    a[i] = pack<T>(static_cast<float>((lane * 8 + i * 2) % 61) - 30,
                   static_cast<float>((lane * 7 + i * 3) % 53) - 26);
  }
  for (uint32_t i = 0; i < 2; ++i) {
    b[i] = pack<T>(static_cast<float>((lane * 5 + i * 11) % 47) - 23,
                   static_cast<float>((lane * 3 + i) % 43) - 21);
  }
  float sum[4] = {1, 2, 3, static_cast<float>(lane)};
  mma<T>(sum, a, b[0], b[1]);
  for (uint32_t i = 0; i < 4; ++i) out[lane * kMaxWords + i] = bits_of(sum[i]);
}

// As above, with arbitrary bytes.
__global__ void multiplies_bytes(uint32_t* out) {
  const uint32_t lane = threadIdx.x;
  uint32_t a[4], b[2];
  for (uint32_t i = 0; i < 4; ++i) a[i] = (lane * 4 + i) * 0x9e3779b1u;
  for (uint32_t i = 0; i < 2; ++i) b[i] = (lane * 2 + i) * 0x85ebca77u;
  int32_t sum[4] = {1, 2, -3, static_cast<int32_t>(lane)};
  mma<int8_t>(sum, a, b[0], b[1]);
  for (uint32_t i = 0; i < 4; ++i) out[lane * kMaxWords + i] = static_cast<uint32_t>(sum[i]);
}

__global__ void rounds(uint32_t* out) {
  const uint32_t inputs[] = {0x3f000000, 0x3fc00000, 0xbf000000,
                             0xbfc00000, 0x42fd8000, 0x7fc00000};
  for (uint32_t i = 0; i < 6; ++i) {
    out[threadIdx.x * kMaxWords + i] = static_cast<uint32_t>(
        round_to_int(float_of(inputs[i]) * static_cast<float>(threadIdx.x + 1)));
  }
}

// --- Hopper --------------------------------------------------------------------------------------

constexpr uint32_t kThreads = kWarpgroupThreads;
constexpr uint32_t kHopperWords = 2;  // per thread
constexpr uint32_t kRowBytes = kSwizzledRowBytes;
constexpr uint32_t kLeftRows = 64, kRightRows = 256;
constexpr uint32_t kOperandBytes = (kLeftRows + kRightRows) * kRowBytes;
constexpr uint32_t kBoxRows = 8;
constexpr uint32_t kHopperSharedBytes = kOperandBytes + 8;

// Small integers: every sum below is exact in any order.
template <typename T>
__global__ void fills(T* values) {
  for (uint32_t i = threadIdx.x; i < kOperandBytes / sizeof(T); i += kThreads) {
    const uint32_t mixed = i * 0x9e3779b1u >> 16;
    if constexpr (sizeof(T) == 1) {
      values[i] = static_cast<int8_t>(mixed);
    } else if constexpr (sizeof(T) == 4) {
      values[i] = static_cast<float>(mixed % 61) - 30;
    } else {
      values[i] = from_float<T>(static_cast<float>(mixed % 61) - 30);
    }
  }
}

// Initialises an mbarrier that expects `bytes` bytes, and returns its address.
__device__ uint32_t expect_bytes(uint32_t bytes) {
  const uint32_t barrier = shared_address(shared_memory<SwizzledRows>()) + kOperandBytes;
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    fence_mbarrier_init();
    mbarrier_arrive_expecting(barrier, bytes);
  }
  sync_block();
  return barrier;
}

// Loads a box that extends beyond the last row and the last column.
template <typename T>
__global__ void loads_boxes(uint32_t* out, const __grid_constant__ TensorMap map,
                            const __grid_constant__ TensorMap) {
  if constexpr (kHasWgmma) {
    const uint32_t barrier = expect_bytes(kBoxRows * kRowBytes);
    if (threadIdx.x == 0) tma_load_2d(barrier - kOperandBytes, &map, barrier, 16 / sizeof(T), 3);
    mbarrier_wait(barrier, 0);
    const uint32_t* words = reinterpret_cast<const uint32_t*>(shared_memory<SwizzledRows>());
    for (uint32_t i = 0; i < 2; ++i)
      out[threadIdx.x * kHopperWords + i] = words[threadIdx.x * 2 + i];
  }
}

// Writes the same box to the matrix: stores 16-bit values, adds f32.
template <typename T>
__global__ void stores_boxes(uint32_t*, const __grid_constant__ TensorMap map,
                             const __grid_constant__ TensorMap) {
  if constexpr (kHasWgmma) {
    T* box = reinterpret_cast<T*>(shared_memory<SwizzledRows>());
    for (uint32_t i = threadIdx.x; i < kBoxRows * kRowBytes / sizeof(T); i += kThreads) {
      if constexpr (sizeof(T) == 4) {
        box[i] = static_cast<float>(i);
      } else {
        box[i] = {static_cast<uint16_t>(i)};
      }
    }
    fence_proxy_async();
    sync_block();
    if (threadIdx.x > 0) return;
    if constexpr (sizeof(T) == 4) {
      tma_add_2d(&map, shared_address(box), 16 / sizeof(T), 3);
    } else {
      tma_store_2d(&map, shared_address(box), 16 / sizeof(T), 3);
    }
    tma_commit();
    tma_wait_read<0>();
  }
}

// Copies the contents of the matrix to `out`.
__global__ void dumps(uint32_t* out, const uint32_t* words) {
  for (uint32_t i = 0; i < kHopperWords; ++i) {
    out[threadIdx.x * kHopperWords + i] = words[threadIdx.x * kHopperWords + i];
  }
}

template <typename Sum>
__device__ uint32_t bits_of_sum(Sum sum) {
  if constexpr (std::is_same_v<Sum, float>) return bits_of(sum);
  return static_cast<uint32_t>(sum);
}

// Writes a hash of all sums of a thread, and one of them.
template <typename T, typename Sum, uint32_t kCols>
__global__ void multiplies_boxes(uint32_t* out, const __grid_constant__ TensorMap left_map,
                                 const __grid_constant__ TensorMap right_map) {
  if constexpr (kHasWgmma) {
    const uint32_t barrier = expect_bytes(kOperandBytes);
    const uint32_t left = barrier - kOperandBytes, right = left + kLeftRows * kRowBytes;
    if (threadIdx.x == 0) {
      tma_load_2d(left, &left_map, barrier, 0, 0);
      tma_load_2d(right, &right_map, barrier, 0, 0);
    }
    mbarrier_wait(barrier, 0);
    Sum sum[kCols / 2];
    wgmma_fence();
    for (uint32_t byte = 0; byte < kRowBytes; byte += 32) {
      wgmma<T>(sum, descriptor(left + byte), descriptor(right + byte), byte > 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
    uint32_t hash = 0;
    for (uint32_t i = 0; i < kCols / 2; ++i) hash = hash * 0x01000193u + bits_of_sum(sum[i]);
    out[threadIdx.x * kHopperWords] = hash;
    out[threadIdx.x * kHopperWords + 1] = bits_of_sum(sum[5]);
  }
}

// The left operand is in registers, the right one is [k, cols] in two panels; two steps.
template <typename T>
__global__ void multiplies_registers(uint32_t* out, const __grid_constant__ TensorMap,
                                     const __grid_constant__ TensorMap right_map) {
  if constexpr (kHasWgmma) {
    constexpr uint32_t kPanelBytes = kRightRows / 2 * kRowBytes, kStepBytes = 16 * kRowBytes;
    const uint32_t barrier = expect_bytes(kRightRows * kRowBytes);
    const uint32_t right = barrier - kOperandBytes;
    if (threadIdx.x == 0) tma_load_2d(right, &right_map, barrier, 0, 0);
    mbarrier_wait(barrier, 0);
    uint32_t a[2][4];
    for (uint32_t i = 0; i < 8; ++i) {
      a[i / 4][i % 4] = pack<T>(static_cast<float>((threadIdx.x * 8 + i * 2) % 61) - 30,
                                static_cast<float>((threadIdx.x * 7 + i * 3) % 53) - 26);
    }
    float sum[64];
    wgmma_fence();
    for (uint32_t step = 0; step < 2; ++step) {
      wgmma_registers<T>(sum, a[step], column_descriptor(right + step * kStepBytes, kPanelBytes),
                         step > 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
    uint32_t hash = 0;
    for (const float each : sum) hash = hash * 0x01000193u + bits_of(each);
    out[threadIdx.x * kHopperWords] = hash;
    out[threadIdx.x * kHopperWords + 1] = bits_of(sum[37]);
  }
}

// A slow kernel, and one that begins before it ends and copies its output.
__global__ void computes_slowly(uint32_t* words) {
  let_next_begin();
  wait_for_previous();
  uint32_t word = threadIdx.x;
  for (int i = 0; i < 20'000; ++i) word = word * 1664525 + 1013904223;
  words[threadIdx.x] = word;
}
__global__ void copies_output_of_previous(const uint32_t* words, uint32_t* out) {
  wait_for_previous();
  out[threadIdx.x] = words[threadIdx.x];
}

enum class Fill { bf16, f16, s8, f32 };

struct HopperProbe {
  const char* name;
  void (*kernel)(uint32_t* out, TensorMap left, TensorMap right);
  Fill fill;
  bool box = false, stored = false;
};

Failure fill(Stream stream, void* values, Fill type) {
  switch (type) {
    case Fill::s8:
      return launch(stream, fills<int8_t>, 1, kThreads, 0, static_cast<int8_t*>(values));
    case Fill::f16: return launch(stream, fills<f16>, 1, kThreads, 0, static_cast<f16*>(values));
    case Fill::f32:
      return launch(stream, fills<float>, 1, kThreads, 0, static_cast<float*>(values));
    default: return launch(stream, fills<bf16>, 1, kThreads, 0, static_cast<bf16*>(values));
  }
}

// --- The program ---------------------------------------------------------------------------------

struct Probe {
  const char* name;
  void (*kernel)(uint32_t* out);
  uint32_t words;
  void (*before)(uint32_t* out) = nullptr;  // a launch that writes the kernel's input
};

Failure run_hopper_probes(Stream stream) {
  const HopperProbe probes[] = {
      {"hopper: tma, 8 bits", loads_boxes<int8_t>, Fill::s8, true},
      {"hopper: tma, 16 bits", loads_boxes<bf16>, Fill::bf16, true},
      {"hopper: tma store, 16 bits", stores_boxes<bf16>, Fill::bf16, true, true},
      {"hopper: tma add, f32", stores_boxes<float>, Fill::f32, true, true},
      {"hopper: wgmma.bf16, n128", multiplies_boxes<bf16, float, 128>, Fill::bf16},
      {"hopper: wgmma.bf16, n256", multiplies_boxes<bf16, float, 256>, Fill::bf16},
      {"hopper: wgmma.f16, n128", multiplies_boxes<f16, float, 128>, Fill::f16},
      {"hopper: wgmma.f16, n256", multiplies_boxes<f16, float, 256>, Fill::f16},
      {"hopper: wgmma.s8, n128", multiplies_boxes<int8_t, int32_t, 128>, Fill::s8},
      {"hopper: wgmma.s8, n256", multiplies_boxes<int8_t, int32_t, 256>, Fill::s8},
      {"hopper: wgmma.bf16, registers", multiplies_registers<bf16>, Fill::bf16},
      {"hopper: wgmma.f16, registers", multiplies_registers<f16>, Fill::f16},
  };
  void *words, *operands;
  if (const Failure failure = allocate_host(&words, kThreads * kHopperWords * sizeof(uint32_t)))
    return failure;
  if (const Failure failure = allocate_device(&operands, kOperandBytes)) return failure;
  auto* out = static_cast<uint32_t*>(words);
  for (const HopperProbe& probe : probes) {
    if (const Failure failure = fill(stream, operands, probe.fill)) return failure;
    const uint32_t bytes = probe.fill == Fill::s8 ? 1 : probe.fill == Fill::f32 ? 4 : 2;
    const uint32_t cols = kRowBytes / bytes;
    TensorMap left, right;
    // The matrix ends before the box does, and the gaps in its rows have values that must not
    // appear.
    Failure failure =
        probe.box ? make_tensor_map(&left, operands, bytes, 7, cols - 3, cols, kBoxRows)
                  : make_tensor_map(&left, operands, bytes, kLeftRows, cols, cols, kLeftRows);
    if (failure) return failure;
    failure = make_tensor_map(&right, static_cast<char*>(operands) + kLeftRows * kRowBytes, bytes,
                              kRightRows, cols, cols, kRightRows);
    if (failure) return failure;
    failure = launch(stream, probe.kernel, 1, kThreads, kHopperSharedBytes, out, left, right);
    if (!failure && probe.stored) {
      failure = launch(stream, dumps, 1, kThreads, 0, out, static_cast<const uint32_t*>(operands));
    }
    if (!failure) failure = synchronize(stream);
    if (failure) return failure;
    for (uint32_t thread = 0; thread < kThreads; ++thread) {
      std::printf("%s, lane %u:", probe.name, thread);
      for (uint32_t i = 0; i < kHopperWords; ++i)
        std::printf(" %08x", out[thread * kHopperWords + i]);
      std::printf("\n");
    }
  }

  stream.overlaps = true;
  auto* between = static_cast<uint32_t*>(operands);
  Failure failure = launch(stream, computes_slowly, 1, kLanes, 0, between);
  if (!failure) failure = launch(stream, copies_output_of_previous, 1, kLanes, 0, between, out);
  if (!failure) failure = synchronize(stream);
  for (uint32_t lane = 0; lane < kLanes && !failure; ++lane) {
    std::printf("hopper: griddepcontrol, lane %u: %08x\n", lane, out[lane]);
  }
  return failure;
}

}  // namespace

int main() {
  const Probe probes[] = {
      {"cvt.bf16", converts<bf16>, 16},
      {"cvt.f16", converts<f16>, 16},
      {"ex2, rcp, mul.rn", approximates, 6},
      {"shfl", shuffles, 6},
      {"atom.add", adds, 3},
      {"cp.async", copies, 8, numbers},
      {"ldmatrix", loads_matrices<false>, 4},
      {"ldmatrix.trans", loads_matrices<true>, 4},
      {"mma.bf16", multiplies<bf16>, 4},
      {"mma.f16", multiplies<f16>, 4},
      {"mma.s8", multiplies_bytes, 4},
      {"cvt.rni.s32", rounds, 6},
  };
  Stream stream;
  void* memory;
  Failure failure = use_device(0);
  if (!failure) failure = create_stream(&stream);
  if (!failure) failure = allocate_host(&memory, kLanes * kMaxWords * sizeof(uint32_t));
  for (size_t p = 0; p < std::size(probes) && !failure; ++p) {
    auto* out = static_cast<uint32_t*>(memory);
    if (probes[p].before) failure = launch(stream, probes[p].before, 1, kLanes, 0, out);
    if (!failure) failure = launch(stream, probes[p].kernel, 1, kLanes, kSharedBytes, out);
    if (!failure) failure = synchronize(stream);
    for (uint32_t lane = 0; lane < kLanes && !failure; ++lane) {
      std::printf("%s, lane %u:", probes[p].name, lane);
      for (uint32_t i = 0; i < probes[p].words; ++i)
        std::printf(" %08x", out[lane * kMaxWords + i]);
      std::printf("\n");
    }
  }
  DeviceProperties gpu;
  if (!failure) failure = describe_device(0, &gpu);
  if (!failure && gpu.major == 9 && gpu.minor == 0) failure = run_hopper_probes(stream);
  if (failure) std::fprintf(stderr, "%s\n", failure);
  return failure != nullptr;
}
