// Tests of the emulator itself: tiny kernels with one known fault each, and some with none.
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "emulator.h"
#include "harness.h"

namespace {

using namespace qwen3::cuda;
using qwen3::test::Tests;

// --- Kernels -------------------------------------------------------------------------------------

__global__ void exchange_in_warp(float* out, bool synced) {
  float* shared = shared_memory<float>();
  shared[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (synced) sync_warp();
  out[threadIdx.x] = shared[threadIdx.x ^ 1];
}

__global__ void exchange_in_block(float* out, bool synced) {
  float* shared = shared_memory<float>();
  shared[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (synced) sync_block();
  out[threadIdx.x] = shared[threadIdx.x ^ 32];
}

__global__ void overwrite_what_others_read(float* out, bool synced) {
  float* shared = shared_memory<float>();
  shared[threadIdx.x] = 1;
  sync_block();
  out[threadIdx.x] = shared[threadIdx.x ^ 32];
  if (synced) sync_block();
  shared[threadIdx.x] = 2;
}

__global__ void two_barriers_meet(float* out) {
  if (threadIdx.x < 32) {
    out[threadIdx.x] = 1;
    sync_block();
  } else {
    out[threadIdx.x] = 2;
    sync_block();
  }
}

__global__ void barrier_for_some(float* out) {
  if (threadIdx.x % 2 == 0) sync_warp();
  out[threadIdx.x] = 1;
}

__global__ void shuffle_under_a_branch(float* out) {
  float value = 1;
  if (threadIdx.x < 16) {
    value = shuffle_xor(value, 1);
  } else {
    value = shuffle_xor(value, 2);
  }
  out[threadIdx.x] = value;
}

__global__ void write_at(float* out, int index) {
  if (threadIdx.x == 0) out[index] = 1;
}
__global__ void write_shared_at(float* out, int index) {
  if (threadIdx.x == 0) shared_memory<float>()[index] = 1;
  out[threadIdx.x] = 1;
}
__global__ void copy_value(float* out, const float* in, int index) {
  if (threadIdx.x == 0) out[0] = in[index];
}
__global__ void bump(float* counter) {
  if (threadIdx.x == 0) *counter += 1;
}
__global__ void count_in(uint32_t* counter, bool atomic) {
  if (threadIdx.x % 16 > 0) return;
  if (atomic || blockIdx.x == 0) {
    atomic_add(counter, 1);
  } else {
    *counter = 1;
  }
}
__global__ void neighbors_in_a_word(char* out) {
  char* shared = shared_memory<char>();
  shared[threadIdx.x] = static_cast<char>(threadIdx.x);
  sync_block();
  out[threadIdx.x] = shared[31 - threadIdx.x];
}

enum class CopyFault {
  none,
  no_wait,
  no_commit,
  group_too_few,
  no_barrier,
  misaligned,
  never_waited
};

// Every thread copies 16 bytes and reads those of another thread.
__global__ void copy_through_shared(float* out, const float* in, CopyFault fault) {
  auto* shared = reinterpret_cast<float*>(shared_memory<float4>());
  const int me = static_cast<int>(threadIdx.x), skew = fault == CopyFault::misaligned ? 1 : 0;
  cp_async_16(shared_address(shared + me * 4), in + me * 4 + skew, 16);
  if (fault != CopyFault::no_commit) cp_async_commit();
  if (fault == CopyFault::group_too_few) {
    cp_async_wait<1>();
  } else if (fault != CopyFault::no_wait && fault != CopyFault::never_waited) {
    cp_async_wait<0>();
  }
  if (fault != CopyFault::no_barrier) sync_block();
  if (fault != CopyFault::never_waited) out[me] = shared[(me ^ 32) * 4];
  if (fault == CopyFault::no_wait) cp_async_wait<0>();
}

__global__ void load_rows(float* out, int row_bytes) {
  auto* shared = reinterpret_cast<float*>(shared_memory<float4>());
  for (int i = static_cast<int>(threadIdx.x); i < 32 * row_bytes / 4; i += 32) shared[i] = 0;
  sync_warp();
  uint32_t registers[4];
  ldmatrix_x4(registers, shared_address(shared) + threadIdx.x * static_cast<uint32_t>(row_bytes));
  out[threadIdx.x] = static_cast<float>(registers[0]);
}

// --- Kernels for Hopper --------------------------------------------------------------------------

struct alignas(1024) SwizzledRows {
  unsigned char bytes[1024];
};
constexpr uint32_t kBoxRows = 64, kBoxBytes = kBoxRows * 128;
constexpr size_t kBoxShared = 2 * kBoxBytes + 16;

enum class BoxFault {
  none,
  no_wait,
  other_parity,
  no_init_fence,
  no_barrier_after_init,
  too_few_bytes,
  too_many_bytes,
  too_many_arrivals,
  misaligned,
  no_waiter,
  overwritten,
};

// Loads a box of 64 rows of 32 floats into shared memory. Thread t writes the first value of row t.
__global__ void load_box(float* out, const __grid_constant__ TensorMap map, BoxFault fault) {
  const uint32_t box = shared_address(shared_memory<SwizzledRows>()), barrier = box + 2 * kBoxBytes;
  auto* shared = reinterpret_cast<float*>(shared_memory<SwizzledRows>());
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, 1);
    if (fault != BoxFault::no_init_fence) fence_mbarrier_init();
  }
  if (fault != BoxFault::no_barrier_after_init) sync_block();
  if (threadIdx.x == 64) {
    const uint32_t bytes = fault == BoxFault::too_few_bytes    ? kBoxBytes - 128
                           : fault == BoxFault::too_many_bytes ? kBoxBytes + 128
                                                               : kBoxBytes;
    if (fault == BoxFault::too_many_arrivals) mbarrier_arrive_expecting(barrier, bytes);
    mbarrier_arrive_expecting(barrier, bytes);
    tma_load_2d(box + (fault == BoxFault::misaligned ? 128 : 0), &map, barrier, 0, 0);
    if (fault == BoxFault::overwritten) shared[8] = 1;
  }
  if (fault == BoxFault::no_waiter) return;
  if (fault != BoxFault::no_wait) mbarrier_wait(barrier, fault == BoxFault::other_parity ? 1 : 0);
  if (threadIdx.x < kBoxRows) out[threadIdx.x] = shared[threadIdx.x * 32 + threadIdx.x % 8 * 4];
}

enum class StoreFault {
  none,
  no_proxy_fence,
  no_barrier,
  overwritten,
  group_too_few,
  no_commit,
  no_wait,
  misaligned,
  adds_halves,
};

// Every thread writes a row of a box, which one thread then stores or adds. Twice, in the same
// shared memory: the second round begins after the box has been read.
__global__ void store_box(const __grid_constant__ TensorMap map, bool adds, StoreFault fault) {
  auto* box = reinterpret_cast<float*>(shared_memory<SwizzledRows>());
  const uint32_t address = shared_address(box) + (fault == StoreFault::misaligned ? 128 : 0);
  for (int32_t round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 32; ++i) box[threadIdx.x * 32 + i] = static_cast<float>(round + 1);
    if (fault != StoreFault::no_proxy_fence) fence_proxy_async();
    if (fault != StoreFault::no_barrier) sync_block();
    if (threadIdx.x == 5) {
      if (adds) {
        tma_add_2d(&map, address, round * 32, 0);
      } else {
        tma_store_2d(&map, address, round * 32, 0);
      }
      if (fault != StoreFault::no_commit) tma_commit();
      if (fault == StoreFault::group_too_few) {
        tma_wait_read<1>();
      } else if (fault != StoreFault::no_wait || round == 0) {
        tma_wait_read<0>();
      }
    }
    if (fault != StoreFault::overwritten) sync_block();
  }
}

enum class ProductFault {
  none,
  no_proxy_fence,
  no_wgmma_fence,
  no_commit,
  no_wait,
  sums_read_early,
  operand_overwritten,
  threads_disagree,
  diverged,
};

constexpr uint64_t descriptor_of(uint32_t address) {
  return address >> 4 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

// Multiplies 16-bit ones by ones: every sum is 16.
__global__ void multiply_ones(float* out, ProductFault fault) {
  const uint32_t operand = shared_address(shared_memory<SwizzledRows>());
  auto* halves = reinterpret_cast<uint16_t*>(shared_memory<SwizzledRows>());
  for (uint32_t i = threadIdx.x; i < 128 * 64; i += 128) halves[i] = 0x3f80;
  if (fault != ProductFault::no_proxy_fence) fence_proxy_async();
  sync_block();
  float sum[64];
  if (fault != ProductFault::no_wgmma_fence) wgmma_fence();
  const uint64_t a = descriptor_of(
      operand + (fault == ProductFault::threads_disagree ? threadIdx.x / 64 * 32 : 0));
  if (fault == ProductFault::diverged && threadIdx.x < 32) {
    wgmma_commit();
  } else {
    wgmma<bf16>(sum, a, descriptor_of(operand), false);
  }
  if (fault == ProductFault::operand_overwritten) halves[0] = 0;
  if (fault != ProductFault::no_commit) wgmma_commit();
  if (fault == ProductFault::sums_read_early) out[threadIdx.x] = sum[5];
  if (fault == ProductFault::no_wait) {
    wgmma_wait<1>();
  } else {
    wgmma_wait<0>();
  }
  if (fault != ProductFault::sums_read_early) out[threadIdx.x] = sum[5];
}

enum class RegisterFault { none, no_wgmma_fence, changed_early, panel_past_the_end, unwritten_row };

// Multiplies ones in registers by ones in shared memory, two panels of 16 rows of 64 columns: every
// sum is 16.
__global__ void multiply_registers(float* out, RegisterFault fault) {
  const uint32_t operand = shared_address(shared_memory<SwizzledRows>());
  auto* halves = reinterpret_cast<uint16_t*>(shared_memory<SwizzledRows>());
  const uint32_t written = 2 * 16 * 64 - (fault == RegisterFault::unwritten_row ? 64 : 0);
  for (uint32_t i = threadIdx.x; i < written; i += 128) halves[i] = 0x3f80;
  fence_proxy_async();
  sync_block();
  uint32_t ones[4] = {0x3f803f80, 0x3f803f80, 0x3f803f80, 0x3f803f80};
  float sum[64];
  if (fault != RegisterFault::no_wgmma_fence) wgmma_fence();
  const uint64_t panel_bytes = fault == RegisterFault::panel_past_the_end ? 4096 : 2048;
  wgmma_registers<bf16>(sum, ones, descriptor_of(operand) | panel_bytes >> 4 << 16, false);
  wgmma_commit();
  if (fault == RegisterFault::changed_early) ones[threadIdx.x % 4] = 0;
  wgmma_wait<0>();
  out[threadIdx.x] = sum[37];
}

enum class NamedFault { none, arrives_early, other_count, unknown, no_waiter };

// The second warp reads what the first one writes.
__global__ void hand_over(float* out, NamedFault fault) {
  float* shared = shared_memory<float>();
  if (threadIdx.x < 32) {
    if (fault != NamedFault::arrives_early) shared[threadIdx.x] = 1;
    arrive_threads(fault == NamedFault::unknown ? 16 : 1,
                   fault == NamedFault::other_count ? 96 : 64);
    if (fault == NamedFault::arrives_early) shared[threadIdx.x] = 1;
  } else if (threadIdx.x < 64 && fault != NamedFault::no_waiter) {
    sync_threads(1, 64);
    out[threadIdx.x] = shared[threadIdx.x - 32];
  }
}

enum class OverlapFault { none, reads_early, writes_early, never_waits, does_nothing };

// The host has waited for the launch that wrote `weight`; the previous launch writes `in`.
__global__ void runs_beside_the_previous(float* out, const float* weight, const float* in,
                                         OverlapFault fault) {
  if (fault == OverlapFault::does_nothing) return;
  float sum = weight[threadIdx.x];
  if (fault == OverlapFault::reads_early) sum += in[threadIdx.x];
  if (fault == OverlapFault::writes_early) out[threadIdx.x] = sum;
  let_next_begin();
  if (fault != OverlapFault::never_waits || threadIdx.x > 0) wait_for_previous();
  if (fault != OverlapFault::never_waits) out[threadIdx.x] = sum + in[threadIdx.x];
}

// --- Tests ---------------------------------------------------------------------------------------

struct DeviceStream {
  DeviceStream() { create_stream(&stream); }
  ~DeviceStream() { destroy_stream(stream); }
  Stream stream;
};

float* zeroed(size_t count) {
  void* memory;
  allocate_device(&memory, count * sizeof(float));
  const std::vector<float> zeros(count);
  emulator::write(memory, zeros.data(), count * sizeof(float));
  return static_cast<float*>(memory);
}

// Adds a test that calls `run` under every kind of schedule. The report must contain `expected`;
// empty: there must be no report.
void add(Tests& tests, const std::string& name, const std::string& expected,
         std::function<Failure(Stream)> run) {
  tests.push_back({"detector: " + name, [=] {
                     for (uint64_t seed = 0; seed < 4; ++seed) {
                       emulator::reset();
                       emulator::options = {};
                       emulator::options.seed = seed;
                       const DeviceStream device;
                       Failure failure = run(device.stream);
                       if (!failure) failure = synchronize(device.stream);
                       const std::string report = !failure ? ""
                                                  : emulator::last_report().empty()
                                                      ? failure
                                                      : emulator::last_report();
                       const bool passed =
                           expected.empty() ? report.empty() : report.find(expected) != report.npos;
                       qwen3::test::expect(passed, "seed " + std::to_string(seed) + ": expected '" +
                                                       expected + "', got '" + report + "'");
                     }
                   }});
}

void add_order_tests(Tests& tests) {
  // Disables the check for unwritten bytes, which would report before the race check.
  const auto only_races = [](auto run) {
    return [run](Stream stream) {
      emulator::options.unwritten = false;
      return run(stream);
    };
  };
  const auto in_warp = [](bool synced) {
    return [synced](Stream stream) {
      return launch(stream, exchange_in_warp, 1, 32, 128, zeroed(32), synced);
    };
  };
  const auto in_block = [](bool synced) {
    return [synced](Stream stream) {
      return launch(stream, exchange_in_block, 1, 64, 256, zeroed(64), synced);
    };
  };
  const auto overwrite = [](bool synced) {
    return [synced](Stream stream) {
      return launch(stream, overwrite_what_others_read, 1, 64, 256, zeroed(64), synced);
    };
  };
  add(tests, "a warp that synchronizes", "", in_warp(true));
  add(tests, "a warp that does not synchronize", "race on shared memory",
      only_races(in_warp(false)));
  add(tests, "a block that synchronizes", "", in_block(true));
  add(tests, "a block that does not synchronize", "race on shared memory",
      only_races(in_block(false)));
  add(tests, "a barrier before overwriting", "", overwrite(true));
  add(tests, "no barrier before overwriting", "race on shared memory", overwrite(false));
  add(tests, "two different barriers meet", "meets sync_block",
      [](Stream stream) { return launch(stream, two_barriers_meet, 1, 64, 0, zeroed(64)); });
  add(tests, "half a warp at a barrier", "deadlock: threads",
      [](Stream stream) { return launch(stream, barrier_for_some, 1, 32, 0, zeroed(32)); });
  add(tests, "a diverged warp", "the warp diverged",
      [](Stream stream) { return launch(stream, shuffle_under_a_branch, 1, 32, 0, zeroed(32)); });
  add(tests, "blocks that share a counter", "another block",
      [](Stream stream) { return launch(stream, bump, 2, 32, 0, zeroed(1)); });
  add(tests, "launches that share a counter", "", [](Stream stream) {
    float* counter = zeroed(1);
    launch(stream, bump, 1, 32, 0, counter);
    return launch(stream, bump, 1, 32, 0, counter);
  });
  const auto count = [](bool atomic) {
    return [atomic](Stream stream) -> Failure {
      auto* counter = reinterpret_cast<uint32_t*>(zeroed(1));
      launch(stream, count_in, 3, 32, 0, counter, atomic);
      if (const Failure failure = synchronize(stream)) return failure;
      uint32_t counted;
      emulator::read(&counted, counter, sizeof counted);
      return counted == 6 ? nullptr : "wrong count";
    };
  };
  add(tests, "blocks that add to a counter", "", count(true));
  add(tests, "blocks that add to a counter, and some that write it", "race on device memory",
      count(false));
  add(tests, "bytes of one word", "", [](Stream stream) {
    return launch(stream, neighbors_in_a_word, 1, 32, 32, reinterpret_cast<char*>(zeroed(8)));
  });
}

void add_memory_tests(Tests& tests) {
  const auto write_eight = [](int index) {
    return [index](Stream stream) { return launch(stream, write_at, 1, 32, 0, zeroed(8), index); };
  };
  add(tests, "the last element", "", write_eight(7));
  add(tests, "past the end", "out of bounds", write_eight(8));
  add(tests, "before the start", "out of bounds", write_eight(-1));
  add(tests, "memory outside of all buffers", "wild pointer", write_eight(1 << 24));
  add(tests, "past the end of shared memory", "of shared memory, which has 128",
      [](Stream stream) { return launch(stream, write_shared_at, 1, 32, 128, zeroed(32), 32); });
  add(tests, "unwritten memory", "was never written", [](Stream stream) {
    float* in = zeroed(8);
    emulator::mark_unwritten(in + 3, sizeof(float));
    return launch(stream, copy_value, 1, 32, 0, zeroed(1), in, 3);
  });
  add(tests, "released memory", "wild pointer", [](Stream stream) {
    float* memory = zeroed(8);
    release_device(memory);
    return launch(stream, write_at, 1, 32, 0, memory, 0);
  });
  add(tests, "too many threads", "invalid configuration",
      [](Stream stream) { return launch(stream, write_at, 1, 2048, 0, zeroed(8), 0); });
  add(tests, "too much shared memory", "too much shared memory",
      [](Stream stream) { return launch(stream, write_at, 1, 32, 200 << 10, zeroed(8), 0); });
}

void add_copy_tests(Tests& tests) {
  const auto copy = [&](const char* name, const char* expected, CopyFault fault) {
    add(tests, name, expected, [fault](Stream stream) {
      return launch(stream, copy_through_shared, 1, 64, 1024, zeroed(64), zeroed(257), fault);
    });
  };
  copy("a copy waited for", "", CopyFault::none);
  copy("a copy not waited for", "in flight", CopyFault::no_wait);
  copy("a copy not committed", "in flight", CopyFault::no_commit);
  copy("a wait for one group too few", "in flight", CopyFault::group_too_few);
  copy("no barrier after the wait", "shared memory", CopyFault::no_barrier);
  copy("a misaligned copy", "misaligned", CopyFault::misaligned);
  copy("a copy that outlives its thread", "with a copy in flight", CopyFault::never_waited);
}

void add_bank_tests(Tests& tests) {
  // Eight rows of 16 bytes fill the 32 banks. Rows of 128 bytes all begin in the same four banks.
  for (const auto& [row_bytes, conflicts] : {std::pair{16, 0u}, std::pair{128, 28u}}) {
    add(tests, "bank conflicts of rows of " + std::to_string(row_bytes) + " bytes", "",
        [row_bytes = row_bytes, conflicts = conflicts](Stream stream) -> Failure {
          const auto shared_bytes = static_cast<size_t>(32 * row_bytes);
          launch(stream, load_rows, 1, 32, shared_bytes, zeroed(32), row_bytes);
          if (const Failure failure = synchronize(stream)) return failure;
          return emulator::counters.bank_conflicts == conflicts ? nullptr : "wrong count";
        });
  }
}

void add_box_tests(Tests& tests) {
  const auto box = [&](const char* name, const char* expected, BoxFault fault) {
    add(tests, name, expected, [fault](Stream stream) -> Failure {
      if (fault == BoxFault::no_waiter) emulator::options.seed = 0;  // the box lands late
      TensorMap map;
      if (const Failure failure = make_tensor_map(&map, zeroed(40 * 64), 4, 40, 64, 64, kBoxRows))
        return failure;
      return launch(stream, load_box, 1, 128, kBoxShared, zeroed(kBoxRows), map, fault);
    });
  };
  box("a box", "", BoxFault::none);
  box("a box not waited for", "shared memory", BoxFault::no_wait);
  box("a box waited for with the other parity", "shared memory", BoxFault::other_parity);
  box("no fence after mbarriers are initialized", "fence_mbarrier_init is missing",
      BoxFault::no_init_fence);
  box("no barrier after mbarriers are initialized", "offset 16384",
      BoxFault::no_barrier_after_init);
  box("too few bytes expected", "mbarrier", BoxFault::too_few_bytes);
  box("too many bytes expected", "128 bytes outstanding", BoxFault::too_many_bytes);
  box("one arrival too many", "more than 1 arrivals", BoxFault::too_many_arrivals);
  box("a misaligned box", "misaligned", BoxFault::misaligned);
  box("a box that outlives its block", "the block ends with a copy in flight", BoxFault::no_waiter);
  box("a box overwritten in flight", "in flight", BoxFault::overwritten);
  add(tests, "a tensor map with misaligned rows", "rejects the tensor map", [](Stream) {
    TensorMap map;
    return make_tensor_map(&map, zeroed(64), 4, 2, 9, 9, kBoxRows);
  });
}

void add_store_tests(Tests& tests) {
  const auto store = [&](const char* name, const char* expected, StoreFault fault,
                         bool adds = false) {
    add(tests, name, expected, [=](Stream stream) -> Failure {
      // The box extends beyond both edges.
      constexpr uint32_t kRows = kBoxRows - 1, kCols = 61, kStride = 64;
      const uint32_t bytes = fault == StoreFault::adds_halves ? 2 : 4;
      float* matrix = zeroed(kRows * kStride);
      const std::vector<float> ones(kRows * kStride, 1);
      emulator::write(matrix, ones.data(), ones.size() * sizeof(float));
      TensorMap map;
      if (const Failure failure =
              make_tensor_map(&map, matrix, bytes, kRows, kCols, kStride, kBoxRows)) {
        return failure;
      }
      launch(stream, store_box, 1, kBoxRows, kBoxShared, map, adds, fault);
      if (const Failure failure = synchronize(stream)) return failure;
      for (const auto& [col, wanted] :
           {std::pair{0u, 1.f}, {31u, 1.f}, {32u, 2.f}, {60u, 2.f}, {61u, 0.f}}) {
        float value;
        emulator::read(&value, matrix + (kRows - 1) * kStride + col, sizeof value);
        if (value != wanted + (adds || col > 60 ? 1 : 0)) return "a wrong value";
      }
      return nullptr;
    });
  };
  store("a box stored", "", StoreFault::none);
  store("a box added", "", StoreFault::none, true);
  store("no proxy fence before a box is stored", "a proxy fence is missing",
        StoreFault::no_proxy_fence);
  store("no barrier before a box is stored", "shared memory", StoreFault::no_barrier);
  store("a box overwritten while it is stored", "race on shared memory", StoreFault::overwritten);
  store("a wait for one stored box too few", "race on shared memory", StoreFault::group_too_few);
  store("a stored box not committed", "race on shared memory", StoreFault::no_commit);
  store("a stored box not waited for", "with a TMA store in flight", StoreFault::no_wait);
  store("a misaligned box stored", "misaligned", StoreFault::misaligned);
  store("16-bit values added", "TMA adds only f32", StoreFault::adds_halves, true);
}

void add_product_tests(Tests& tests) {
  const auto product = [&](const char* name, const char* expected, ProductFault fault,
                           bool right = true) {
    add(tests, name, expected, [=](Stream stream) -> Failure {
      float* out = zeroed(128);
      launch(stream, multiply_ones, 1, 128, 128 * 128, out, fault);
      if (const Failure failure = synchronize(stream)) return failure;
      float sum;
      emulator::read(&sum, out + 77, sizeof sum);
      return (sum == 16) == right ? nullptr : "a wrong sum";
    });
  };
  product("a product", "", ProductFault::none);
  product("no proxy fence before a product", "a proxy fence is missing",
          ProductFault::no_proxy_fence);
  product("no wgmma_fence before a product", "wgmma_fence is missing",
          ProductFault::no_wgmma_fence);
  product("a product not committed", "with a wgmma in flight", ProductFault::no_commit);
  product("a product not waited for", "with a wgmma in flight", ProductFault::no_wait);
  product("sums read too early are NaN", "", ProductFault::sums_read_early, false);
  product("an operand overwritten", "race on shared memory", ProductFault::operand_overwritten);
  product("threads that disagree about a product", "disagree about wgmma",
          ProductFault::threads_disagree);
  product("a diverged warpgroup", "the warpgroup diverged", ProductFault::diverged);
}

void add_register_tests(Tests& tests) {
  const auto product = [&](const char* name, const char* expected, RegisterFault fault) {
    add(tests, name, expected, [=](Stream stream) -> Failure {
      float* out = zeroed(128);
      launch(stream, multiply_registers, 1, 128, 2 * 16 * 128, out, fault);
      if (const Failure failure = synchronize(stream)) return failure;
      float sum;
      emulator::read(&sum, out + 77, sizeof sum);
      return sum == 16 ? nullptr : "a wrong sum";
    });
  };
  product("a product with an operand in registers", "", RegisterFault::none);
  product("no wgmma_fence before a product with an operand in registers", "wgmma_fence is missing",
          RegisterFault::no_wgmma_fence);
  product("registers changed before a product is waited for", "are changed before it is waited for",
          RegisterFault::changed_early);
  product("a panel past the end", "out of bounds", RegisterFault::panel_past_the_end);
  product("a product of an unwritten row", "was never written", RegisterFault::unwritten_row);
}

void add_named_barrier_tests(Tests& tests) {
  const auto named = [&](const char* name, const char* expected, NamedFault fault,
                         bool unwritten = true) {
    add(tests, name, expected, [=](Stream stream) {
      emulator::options.unwritten = unwritten;
      return launch(stream, hand_over, 1, 128, 128, zeroed(64), fault);
    });
  };
  named("a named barrier", "", NamedFault::none);
  named("an arrival before the write", "race on shared memory", NamedFault::arrives_early, false);
  named("two counts for one named barrier", "expected to have", NamedFault::other_count);
  named("a named barrier that does not exist", "barrier 16", NamedFault::unknown);
  named("a named barrier that no thread waits for", "barrier 1 incomplete", NamedFault::no_waiter);
}

void add_overlap_tests(Tests& tests) {
  const auto overlap = [&](const char* name, const char* expected, OverlapFault fault,
                           int capability = 90, bool waits = true) {
    add(tests, name, expected, [=](Stream stream) {
      emulator::options.capability = capability;
      float *out = zeroed(32), *weight = zeroed(32), *in = zeroed(32);
      for (float* each : {weight, in}) launch(stream, bump, 1, 32, 0, each);
      if (waits) synchronize(stream);
      launch(stream, bump, 1, 32, 0, in);
      stream.overlaps = true;
      return launch(stream, runs_beside_the_previous, 1, 32, 0, out, weight, in, fault);
    });
  };
  overlap("a launch that overlaps the previous one", "", OverlapFault::none);
  overlap("a read before the wait", "wait_for_previous is missing: thread",
          OverlapFault::reads_early);
  overlap("a write before the wait", "wait_for_previous is missing: thread",
          OverlapFault::writes_early);
  overlap("a thread without a wait", "thread 0 returns without wait_for_previous",
          OverlapFault::never_waits);
  overlap("a launch without a wait", "returns without wait_for_previous",
          OverlapFault::does_nothing);
  overlap("a read of what the launch before the previous one wrote",
          "which an earlier launch wrote", OverlapFault::none, 90, false);
  overlap("launches that overlap on older GPUs", "do not overlap", OverlapFault::none, 80);
}

struct Padded {
  char small;
  int large;
};
__global__ void takes_padded(Padded) {}

// Launches with equal parameter values are recorded as equal bytes, whatever the padding between
// members contains.
void add_launch_tests(Tests& tests) {
  tests.push_back({"launches: equal values are equal bytes", [] {
                     const auto launches_of = [](int fill, int value) {
                       Launches launches;
                       launches.open(1024);
                       Padded padded;
                       std::memset(&padded, fill, sizeof padded);
                       padded.small = 1;
                       padded.large = value;
                       launches.add(takes_padded, 1, 32, 0, padded);
                       return launches;
                     };
                     const Launches one = launches_of(0, 5), same = launches_of(0xff, 5);
                     const Launches other = launches_of(0, 6);
                     qwen3::test::expect(one == same, "padding makes a difference");
                     qwen3::test::expect(!(one == other), "values make no difference");
                   }});
}

}  // namespace

int main(int argc, char** argv) {
  qwen3::cuda::use_device(0);
  Tests tests;
  add_order_tests(tests);
  add_memory_tests(tests);
  add_copy_tests(tests);
  add_bank_tests(tests);
  add_box_tests(tests);
  add_store_tests(tests);
  add_product_tests(tests);
  add_register_tests(tests);
  add_named_barrier_tests(tests);
  add_overlap_tests(tests);
  add_launch_tests(tests);
  return qwen3::test::run_tests(tests, argc, argv);
}
