#include "block.h"

#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {

Options options;
Counters counters;
Block block;

namespace {

Fiber scheduler;
std::vector<int> ready;
std::mt19937_64 random_numbers;
uint32_t latest;  // the highest time of any clock so far
bool failed;
bool landing;
std::string failure;
const void* kernel_function;
const std::function<void()>* kernel_body;

std::string where() {
  return text("; kernel ", function_name(kernel_function), ", block (", blockIdx.x, ",", blockIdx.y,
              ",", blockIdx.z, ")");
}

// For a crash, a trap of the compiler's checks, or a launch that exceeds its time limit: prints the
// location and exits.
void on_signal(int number, siginfo_t* info, [[maybe_unused]] void* context) {
  Site site = 0;
#if defined(__x86_64__)
  const greg_t at = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  site = site_of(reinterpret_cast<const void*>(at + 1));
#endif
  std::fprintf(stderr, "CUDA emulator: %s (address %p) at %s, thread %d%s\n", strsignal(number),
               info->si_addr, describe(site).c_str(), block.me,
               block.running ? where().c_str() : " of the host");
  _exit(128 + number);
}

void set_up() {
  static const bool done = [] {
    set_up_memory();
    static char alternate_stack[256 << 10];  // the fiber's stack may have overflowed
    stack_t stack{};
    stack.ss_sp = alternate_stack;
    stack.ss_size = sizeof alternate_stack;
    sigaltstack(&stack, nullptr);
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM})
      sigaction(number, &action, nullptr);
    return true;
  }();
  (void)done;
}

// If no thread has returned, all threads have then seen all earlier events. era.barrier records
// that instead of every clock.
void release_barrier() {
  Barrier barrier = std::move(block.barrier);
  block.barrier = {};
  const bool all = barrier.waiting.size() == static_cast<size_t>(block.count);
  const bool each = !all || block.uses_proxies;
  if (all) era.barrier = latest;
  Clock seen;
  if (each) {
    seen = fresh_clock();
    for (const int thread : barrier.waiting) join(seen, block.clocks[thread]);
  }
  for (const int thread : barrier.waiting) {
    if (each) join(block.clocks[thread], seen);
    if (all) block.clocks[thread][thread] = era.barrier;
    tick(thread);
    if (thread != block.me || block.thread().state == Thread::State::waiting) wake(thread);
  }
}

void run_thread() {
  Fiber::entered();
  (*kernel_body)();
  Thread& self = block.thread();
  for (const auto& group : self.groups) {
    if (!group.empty()) {
      fail(text("thread ", block.me, " returns with a copy in flight, issued at ",
                describe(group[0].site)));
    }
  }
  if (!self.open.empty()) {
    fail(text("thread ", block.me, " returns with an uncommitted copy, issued at ",
              describe(self.open[0].site)));
  }
  if (const std::string message = unfinished_work(); !message.empty()) fail(message);
  if (!block.waited[block.me])
    fail(text("thread ", block.me, " returns without wait_for_previous"));
  self.state = Thread::State::done;
  --block.unreturned;
  const size_t waiting = block.barrier.waiting.size();
  if (waiting && waiting == static_cast<size_t>(block.unreturned)) release_barrier();
  Fiber::change(self.fiber, scheduler);
  std::abort();  // a thread that is done is never resumed
}

std::string deadlock() {
  std::map<std::string, std::vector<int>> groups;
  for (int t = 0; t < block.count; ++t) {
    const Thread& thread = *block.threads[t];
    groups[thread.state == Thread::State::done
               ? "have returned"
               : "wait in " + thread.waits_in + " at " + describe(thread.site) +
                     (thread.waits_for ? " (" + describe_mbarrier(thread.waits_for) + ")" : "")]
        .push_back(t);
  }
  std::string all = "deadlock:";
  for (const auto& [what, threads] : groups)
    all += text(" threads ", ranges(threads), " ", what, ";");
  all.pop_back();
  return all;
}

// The index of what runs next, in the list of the ready threads followed by the copies in flight.
// Seed 0: threads in order, and copies land as late as possible; seed 1: copies land at once,
// threads run in reverse order; else at random.
size_t next_index() {
  const size_t choices = ready.size() + copies_in_flight();
  if (options.seed == 1) return copies_in_flight() > 0 ? ready.size() : choices - 1;
  return options.seed > 1 ? random_numbers() % choices : 0;
}

// Removes a thread from `ready`.
int take_thread(size_t i) {
  const int thread = ready[i];
  ready.erase(ready.begin() + static_cast<ptrdiff_t>(i));
  return thread;
}

void begin_block(unsigned threads) {
  era.block = era.barrier = ++latest;
  latest = era.block + 1;
  shared.low = 0;
  block.unreturned = block.count;
  block.barrier = {};
  block.named_barriers.clear();
  block.warps.assign((threads + kWarpThreads - 1) / kWarpThreads, {});
  block.clocks.resize(threads + kAsynchronous);
  block.waited.assign(threads + kAsynchronous, !block.overlaps);
  block.next_asynchronous = 0;
  block.uses_proxies = false;
  begin_hopper_block();
  ready.clear();
  for (int t = 0; t < block.count; ++t) {
    block.clocks[t] = fresh_clock();
    block.clocks[t][t] = latest;
    Thread& thread = *block.threads[t];
    thread.open.clear();
    thread.groups.clear();
    thread.fiber.prepare(run_thread);
    wake(t);
  }
}

// A message about a named barrier that is incomplete when the block ends; empty: there is none.
std::string incomplete_barriers() {
  if (block.named_barriers.empty()) return "";
  const auto& [id, barrier] = *block.named_barriers.begin();
  return text("the block ends with barrier ", id, " incomplete: ", barrier.arrived, " of ",
              barrier.threads, " threads have arrived");
}

// Completes a copy. Runs outside of all threads, so a fault is an exception here.
void land(size_t copy) {
  landing = true;
  try {
    land_copy(copy);
  } catch (const Fault& fault) {
    failure = fault.what();
    failed = true;
  }
  landing = false;
}

void run_block() {
  begin_block(blockDim.x);
  block.running = true;
  while (block.unreturned && !failed) {
    if (ready.empty() && copies_in_flight() == 0) {
      failure = deadlock() + where();
      failed = true;
      break;
    }
    const size_t next = next_index();
    if (next >= ready.size()) {
      land(next - ready.size());
      continue;
    }
    block.me = take_thread(next);
    threadIdx = {static_cast<unsigned>(block.me), 0, 0};
    Fiber::change(scheduler, block.thread().fiber);
  }
  for (const std::string& message : {unfinished_copies(), incomplete_barriers()}) {
    if (failed || message.empty()) continue;
    failure = message + where();
    failed = true;
  }
  block.running = false;
}

}  // namespace

void run_grid(const void* kernel, dim3 grid, unsigned threads, size_t shared_bytes, bool overlaps,
              const std::function<void()>& body) {
  set_up();
  kernel_function = kernel;
  kernel_body = &body;
  gridDim = grid;
  blockDim = dim3(threads);
  shared.bytes = shared_bytes;
  block.count = static_cast<int>(threads);
  block.overlaps = overlaps;
  counters.overlapping += overlaps;
  while (block.threads.size() < threads) block.threads.push_back(std::make_unique<Thread>());
  failed = false;
  era.launch = latest;

  std::vector<uint64_t> order(uint64_t{grid.x} * grid.y * grid.z);
  for (size_t i = 0; i < order.size(); ++i) order[i] = options.seed == 1 ? order.size() - 1 - i : i;
  random_numbers.seed(options.seed);
  if (options.seed > 1) std::shuffle(order.begin(), order.end(), random_numbers);

  alarm(options.seconds);
  for (const uint64_t index : order) {
    blockIdx = {static_cast<unsigned>(index % grid.x),
                static_cast<unsigned>(index / grid.x % grid.y),
                static_cast<unsigned>(index / grid.x / grid.y)};
    run_block();
    if (failed) break;
  }
  alarm(0);
  if (failed) throw Fault(failure);
}

void host_has_waited() { era.waited = latest; }

void wait_for_previous() { block.waited[block.me] = true; }

void fail(const std::string& message) {
  if (!block.running) throw Fault(message);
  if (landing) throw Fault(message + where());
  failure = message + where();
  failed = true;
  Fiber::change(block.thread().fiber, scheduler);
  std::abort();  // a thread that failed is never resumed
}

void sleep_in(std::string what, Site site, uint32_t mbarrier) {
  Thread& self = block.thread();
  self.state = Thread::State::waiting;
  self.waits_in = std::move(what);
  self.site = site;
  self.waits_for = mbarrier;
  Fiber::change(self.fiber, scheduler);
}

void wake(int thread) {
  block.threads[thread]->state = Thread::State::ready;
  ready.push_back(thread);
}

void join(Clock& into, const Clock& from) {
  const auto join_times = [](std::vector<uint32_t>& times,
                             const std::vector<uint32_t>& from_times) {
    for (size_t i = 0; i < from_times.size(); ++i) times[i] = std::max(times[i], from_times[i]);
  };
  join_times(into.times, from.times);
  if (from.fenced.empty()) return;
  into.fenced.resize(from.fenced.size());
  join_times(into.fenced, from.fenced);
}

Clock fresh_clock() {
  return {std::vector<uint32_t>(static_cast<size_t>(block.count + kAsynchronous), era.block), {}};
}

int begin_asynchronous(const Clock& seen) {
  const int number = block.count + block.next_asynchronous++ % kAsynchronous;
  block.uses_proxies = true;
  block.clocks[number] = seen;
  block.waited[number] = block.waited[block.me];
  block.clocks[number][number] = ++latest;
  return number;
}

void tick(int thread) { latest = std::max(latest, ++block.clocks[thread][thread]); }

void barrier(const char* file, int line) {
  const Site site = site_of(file, line);
  Barrier& barrier = block.barrier;
  if (barrier.waiting.empty()) {
    barrier.site = site;
  } else if (barrier.site != site) {
    fail(text("sync_block at ", describe(site), " (thread ", block.me, ") meets sync_block at ",
              describe(barrier.site)));
  }
  barrier.waiting.push_back(block.me);
  if (barrier.waiting.size() == static_cast<size_t>(block.unreturned)) {
    release_barrier();
  } else {
    sleep_in("sync_block", site);
  }
}

namespace {

// Arrives at a named barrier and joins the thread's clock into the barrier's. Returns whether the
// barrier is complete.
bool arrive_at(int id, int threads, const char* what, Site site) {
  if (id < 1 || id > 15 || threads % kWarpThreads != 0 || threads < 1 || threads > block.count) {
    fail(text(what, " of barrier ", id, " and ", threads, " threads at ", describe(site)));
  }
  NamedBarrier& barrier = block.named_barriers[id];
  if (barrier.arrived == 0) {
    barrier.threads = threads;
    barrier.seen = fresh_clock();
  } else if (barrier.threads != threads) {
    fail(text("barrier ", id, " is expected to have ", threads, " threads at ", describe(site),
              " (thread ", block.me, ") and ", barrier.threads, " elsewhere"));
  }
  join(barrier.seen, block.clock());
  tick(block.me);
  return ++barrier.arrived == threads;
}

void release_named(int id) {
  NamedBarrier barrier = std::move(block.named_barriers[id]);
  block.named_barriers.erase(id);
  for (const int thread : barrier.waiting) {
    join(block.clocks[thread], barrier.seen);
    if (thread != block.me) wake(thread);
  }
}

}  // namespace

void named_barrier(int id, int threads, const char* file, int line) {
  const Site site = site_of(file, line);
  const bool complete = arrive_at(id, threads, "sync_threads", site);
  block.named_barriers[id].waiting.push_back(block.me);
  if (complete) {
    release_named(id);
  } else {
    sleep_in(text("sync_threads of barrier ", id), site);
  }
}

void named_arrival(int id, int threads, const char* file, int line) {
  if (arrive_at(id, threads, "arrive_threads", site_of(file, line))) release_named(id);
}

void* shared_base(size_t alignment) { return open_shared_memory(alignment); }

uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const char*>(p) - shared.window);
}

}  // namespace emulator
