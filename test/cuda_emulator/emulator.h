// Controls of the emulated device for tests, beyond CUDA itself: schedules, faults, unreadable
// bytes, counters.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

// Whether the emulator sees every plain load and store. Under AddressSanitizer it sees only those
// of copies and tensor cores: AddressSanitizer then finds accesses out of bounds, but unwritten
// bytes and races cannot be found.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSeesAllAccesses = false;
#else
constexpr bool kSeesAllAccesses = true;
#endif

struct Options {
  // 0: threads run in order; 1: in reverse; else the next one is chosen at random at every switch.
  uint64_t seed = 0;
  bool unwritten = kSeesAllAccesses;  // reading unwritten bytes is an error
  bool races = kSeesAllAccesses;      // races are errors
  unsigned seconds = 60;              // wall time limit of a launch
  int multiprocessors = 4;
  int capability = 80;                    // compute capability, 90 for Hopper
  bool graphs = true;                     // false: creating a graph fails, out of memory
  int code_capability = 0;                // that kernels are compiled for; 0: the GPU's
  int fail_call = 0;                      // number of the runtime call that fails, from 1; 0: none
  bool transient = false;                 // true: calls after fail_call succeed again
  size_t device_bytes = size_t{1} << 30;  // device memory
};
extern Options options;

struct Counters {
  uint64_t runtime_calls;
  uint64_t launches;  // of single kernels, not as part of a graph
  uint64_t graphs, graph_launches;
  uint64_t overlapping;  // launches that may overlap the previous one
  uint64_t mma;
  uint64_t wgmma;
  // Rows that ldmatrix reads, and those that share banks with an earlier row of their 8-row phase.
  uint64_t ldmatrix_rows, bank_conflicts;
};
extern Counters counters;

// The full report of the last failed launch.
const std::string& last_report();

// The number of allocations of device and pinned memory, and of graphs, that are not released.
size_t live_allocations();

// Between tests: repairs a failed device, empties the streams, releases all memory and graphs, and
// clears the counters and the last report.
void reset();

// Marks bytes of device memory as unwritten: reading them is an error until they are written.
void mark_unwritten(void* memory, size_t bytes);

// Access to device memory from the host. No kernel may be running.
void write(void* to, const void* from, size_t bytes);
void read(void* to, const void* from, size_t bytes);

}  // namespace emulator
