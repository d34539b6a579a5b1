// The block that runs: its threads as fibers, their order, its barriers, and how a fault ends it.
#pragma once
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "emulated_cuda.h"
#include "fiber.h"
#include "memory.h"
#include "report.h"

namespace emulator {

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
  uint32_t waits_for = 0;                // the mbarrier at this address; 0: none
  std::vector<Copy> open;                // copies not yet committed
  std::deque<std::vector<Copy>> groups;  // committed, not yet waited for
};

constexpr int kWarpThreads = 32;
constexpr int kWarpgroupThreads = 128;

// An operation of a whole warp or warpgroup that some of its threads have reached. The last one performs it for all.
struct Collective {
  const char* name;
  Site site;
  int arrived;
  void* arguments[kWarpgroupThreads];
};

struct Barrier {
  std::vector<int> waiting;
  Site site;
};

// bar.sync and bar.arrive with a number and a count of threads.
struct NamedBarrier {
  int threads;
  int arrived;
  std::vector<int> waiting;
  Clock seen;
};

// Copies and products under way have clocks of their own, behind those of the threads, and take them in turn: more than
// any kernel has at a time.
constexpr int kAsynchronous = 64;

struct Block {
  int count = 0;  // threads
  int unreturned = 0;
  int me = 0;  // the thread that runs
  bool running = false;
  std::vector<std::unique_ptr<Thread>> threads;  // kept for the next block, stacks and all
  std::vector<Clock> clocks;
  bool overlaps =
      false;  // the launch runs beside the one in front of it until its threads have waited
  std::vector<bool> waited;  // of each clock, those of copies and products too
  int next_asynchronous = 0;
  bool uses_proxies = false;  // copies, products or fences of the asynchronous proxy
  std::vector<Collective> warps;
  Barrier barrier;
  std::map<int, NamedBarrier> named_barriers;

  Thread& thread() { return *threads[me]; }
  Clock& clock() { return clocks[me]; }
};
extern Block block;

// Runs every block of a launch, one after another. Throws Fault.
void run_grid(const void* kernel, dim3 grid, unsigned threads, size_t shared_bytes, bool overlaps,
              const std::function<void()>& body);

// The host has waited for all launches so far.
void host_has_waited();

// Ends the launch with a report; from a kernel's thread it does not come back to it.
[[noreturn]] void fail(const std::string& message);

// Puts the running thread to sleep until somebody wakes it.
void sleep_in(std::string what, Site site, uint32_t mbarrier = 0);
void wake(int thread);

// What one clock has seen, the other has seen too.
void join(Clock& into, const Clock& from);
// The thread enters a new time: what it does from now on, nobody has seen.
void tick(int thread);
// A clock that has seen nothing of this block.
Clock fresh_clock();
// The number of a copy or product that begins now and has seen `seen`.
int begin_asynchronous(const Clock& seen);
inline bool is_asynchronous(int thread) { return thread >= block.count; }

// The thread leaves its arguments and sleeps; the last of `threads`, which begin at a multiple of that number, calls
// perform(arguments of all) and wakes the others. It orders no memory.
template <int kThreads, typename Arguments, typename Perform>
void collective(Collective& operation, const char* name, Arguments& mine, Site site,
                Perform perform) {
  if (!operation.arrived) {
    operation.name = name;
    operation.site = site;
  } else if (operation.site != site || std::strcmp(operation.name, name) != 0) {
    const char* group = kThreads == kWarpThreads ? "warp" : "warpgroup";
    fail(text("the ", group, " is torn: thread ", block.me, " is in ", name, " at ", describe(site),
              " while others of its ", group, " wait in ", operation.name, " at ",
              describe(operation.site)));
  }
  const int first = block.me / kThreads * kThreads;
  operation.arguments[block.me - first] = &mine;
  if (++operation.arrived != kThreads) return sleep_in(name, site);

  Arguments* all[kThreads];
  for (int i = 0; i < kThreads; ++i) all[i] = static_cast<Arguments*>(operation.arguments[i]);
  operation.arrived = 0;
  perform(all);
  for (int t = first; t < first + kThreads; ++t) {
    if (t != block.me) wake(t);
  }
}

// hopper.cc
void begin_hopper_block();
size_t copies_in_flight();
// Any of them; seed 1 wants the oldest.
void land_copy(size_t index);
std::string describe_mbarrier(uint32_t address);
// What is wrong where the running thread returns, or the block ends; empty: nothing.
std::string unfinished_work();
std::string unfinished_copies();

}  // namespace emulator
