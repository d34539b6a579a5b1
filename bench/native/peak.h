// The peak rate of this machine's arithmetic units, from loops that use only registers.
#pragma once
#include <cstdint>

#include "cpu/cpu_backend.h"

namespace qwen3::bench {

// A loop of one instruction. run() executes it on the calling thread.
struct PeakLoop {
  const char* instruction;
  double flops;  // of one call of run()
  void (*run)();
};

// The loop of the instruction that the backend's linear ops use. `run` is null if there is none.
PeakLoop peak_loop(Isa isa, DType weights);

// Cycles per second, measured by a chain of additions that take one cycle each. 0: unknown.
double clock_hertz();

}  // namespace qwen3::bench
