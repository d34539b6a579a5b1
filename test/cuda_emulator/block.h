// The running block: its threads as fibers, their scheduling, its barriers, and how a fault ends
// it.
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

// A cp.async in flight.
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
  uint32_t waits_for = 0;                // address of an mbarrier; 0: none
  std::vector<Copy> open;                // copies not yet committed
  std::deque<std::vector<Copy>> groups;  // copies committed, not yet waited for
};

constexpr int kWarpThreads = 32;
constexpr int kWarpgroupThreads = 128;

// An operation of a whole warp or warpgroup. The last thread that reaches it performs it for all.
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

// bar.sync and bar.arrive with a barrier number and a thread count.
struct NamedBarrier {
  int threads;
  int arrived;
  std::vector<int> waiting;
  Clock seen;
};

// The number of clocks of asynchronous copies and wgmma, which use them in turn. They follow the
// clocks of the threads. No kernel has as many such operations in flight.
constexpr int kAsynchronous = 64;

struct Block {
  int count = 0;  // threads
  int unreturned = 0;
  int me = 0;  // the thread that runs
  bool running = false;
  std::vector<std::unique_ptr<Thread>> threads;  // reused, with their stacks, by the next block
  std::vector<Clock> clocks;
  // The launch may overlap the previous one until its threads have waited.
  bool overlaps = false;
  std::vector<bool> waited;  // for each clock, those of asynchronous operations included
  int next_asynchronous = 0;
  bool uses_proxies = false;  // has TMA copies, wgmma or proxy fences
  std::vector<Collective> warps;
  Barrier barrier;
  std::map<int, NamedBarrier> named_barriers;

  Thread& thread() { return *threads[me]; }
  Clock& clock() { return clocks[me]; }
};
extern Block block;

// Runs the blocks of a launch one after another. Throws Fault.
void run_grid(const void* kernel, dim3 grid, unsigned threads, size_t shared_bytes, bool overlaps,
              const std::function<void()>& body);

// Records that the host has waited for all launches so far.
void host_has_waited();

// Ends the launch with a report. Throws Fault, or, called by a thread of a kernel, never resumes
// it.
[[noreturn]] void fail(const std::string& message);

// Suspends the running thread until `wake`.
void sleep_in(std::string what, Site site, uint32_t mbarrier = 0);
void wake(int thread);

// `into` has then seen everything that `from` has seen.
void join(Clock& into, const Clock& from);
// Advances the thread's own time: no other clock has seen what the thread does from now on.
void tick(int thread);
// A clock that has seen nothing of this block.
Clock fresh_clock();
// Returns the clock number of an asynchronous operation that begins now and whose clock is `seen`.
int begin_asynchronous(const Clock& seen);
inline bool is_asynchronous(int thread) { return thread >= block.count; }

// Runs an operation of kThreads threads, whose first is a multiple of kThreads. Each thread stores
// its arguments and sleeps; the last one calls perform(arguments of all) and wakes the rest. It
// orders no memory accesses.
template <int kThreads, typename Arguments, typename Perform>
void collective(Collective& operation, const char* name, Arguments& mine, Site site,
                Perform perform) {
  if (!operation.arrived) {
    operation.name = name;
    operation.site = site;
  } else if (operation.site != site || std::strcmp(operation.name, name) != 0) {
    const char* group = kThreads == kWarpThreads ? "warp" : "warpgroup";
    fail(text("the ", group, " diverged: thread ", block.me, " is in ", name, " at ",
              describe(site), " while other threads of its ", group, " wait in ", operation.name,
              " at ", describe(operation.site)));
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
// Completes the copy at `index` of those in flight, oldest first.
void land_copy(size_t index);
std::string describe_mbarrier(uint32_t address);
// What the running thread has in flight when it returns, and the block when it ends, as a message;
// empty: nothing.
std::string unfinished_work();
std::string unfinished_copies();

}  // namespace emulator
