// The most that this machine's arithmetic units can do: loops that touch nothing but registers.
#pragma once
#include <cstdint>

#include "cpu/cpu_backend.h"

namespace qwen3::bench {

// One operation of a loop and how it is counted.
struct PeakLoop {
  const char* instruction;
  double flops;   // of one call of run()
  void (*run)();  // on one thread
};

// The loop of the instruction that the backend's linear ops are made of; null run: none is known.
PeakLoop peak_loop(Isa isa, DType weights);

// Cycles per second, from a chain of additions that takes one cycle each. 0: not known here.
double clock_hertz();

}  // namespace qwen3::bench
