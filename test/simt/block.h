// The block that runs: its threads as fibers, their order, its barriers, and how a fault ends it.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "fiber.h"
#include "memory.h"
#include "report.h"
#include "simt.h"

namespace simt {

// A cp.async on its way.
struct Copy {
  uint32_t to;
  const void* from;
  int bytes;
  Site site;
};

struct Thread {
  enum class State : uint8_t { ready, waiting, done };
  Fiber fiber;
  State state = State::ready;
  std::string waits_in;
  Site site = 0;
  std::vector<Copy> open;                // copies not yet committed
  std::deque<std::vector<Copy>> groups;  // committed, not yet waited for
};

// A warp-wide operation that some lanes have reached. The last one performs it for all.
struct WarpOperation {
  const char* name;
  Site site;
  uint32_t arrived;
  void* arguments[32];
};

struct Barrier {
  std::vector<int> waiting;
  Site site;
};

struct Block {
  int count = 0;  // threads
  int unreturned = 0;
  int me = 0;  // the thread that runs
  bool running = false;
  std::vector<std::unique_ptr<Thread>> threads;  // kept for the next block, stacks and all
  std::vector<Clock> clocks;
  std::vector<WarpOperation> warps;
  Barrier barrier;

  Thread& thread() { return *threads[me]; }
  Clock& clock() { return clocks[me]; }
};
extern Block block;

// Runs every block of a launch, one after another. Throws Fault.
void run_grid(const void* kernel, dim3 grid, unsigned threads, size_t shared_bytes,
              const std::function<void()>& body);

// Ends the launch with a report; from a kernel's thread it does not come back to it.
[[noreturn]] void fail(const std::string& message);

// Puts the running thread to sleep until somebody wakes it.
void sleep_in(std::string what, Site site);
void wake(int thread);

// What one clock has seen, the other has seen too.
void join(Clock& into, const Clock& from);
// The thread enters a new time: what it does from now on, nobody has seen.
void tick(int thread);

}  // namespace simt
