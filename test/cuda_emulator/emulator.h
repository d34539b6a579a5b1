// What tests may run_unless_failed of the emulated device beyond CUDA itself: schedules, faults, forbidden bytes, counters.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

// Whether every plain load and store is seen. Under AddressSanitizer, which then finds what is out of bounds, only those of
// copies and tensor cores are: nobody can tell what was written, or who races.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kWatched = false;
#else
constexpr bool kWatched = true;
#endif

struct Options {
  uint64_t seed = 0;          // 0: threads run in order; 1: in reverse; else drawn at every switch
  bool unwritten = kWatched;  // reading bytes that nobody wrote is an error
  bool races = kWatched;
  unsigned seconds = 60;  // a launch may take, of wall time
  int multiprocessors = 4;
  int capability = 80;                    // the compute capability, 90 for Hopper
  bool graphs = true;                     // there is memory for them
  int code_capability = 0;                // that kernels are compiled for; 0: the card's
  int fail_call = 0;                      // the runtime call that fails, counted from 1; 0: none
  size_t device_bytes = size_t{1} << 30;  // memory that the device has
};
extern Options options;

struct Counters {
  uint64_t runtime_calls;
  uint64_t launches;  // of kernels, one by one
  uint64_t graphs, graph_launches;
  uint64_t overlapping;  // launches that ran beside those in front of them
  uint64_t mma;
  uint64_t wgmma;
  uint64_t ldmatrix_rows, bank_conflicts;  // rows of one 8-row phase that meet in the same banks
};
extern Counters counters;

// What the last failed launch reported in full.
const std::string& last_report();

// Device and pinned memory, and graphs, that nobody released.
size_t live_allocations();

// Between tests: a failed device works again, all memory is gone.
void reset();

// Reading these bytes of device memory is an error until a kernel or a copy writes them.
void forbid(void* memory, size_t bytes);

// Device memory from the host's side. No kernel may be running.
void write(void* to, const void* from, size_t bytes);
void read(void* to, const void* from, size_t bytes);

}  // namespace emulator
