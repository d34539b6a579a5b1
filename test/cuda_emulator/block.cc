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

// A crash, a trap of the compiler's checks, or a launch without end: say where, and die.
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
    static char alternate_stack[256 << 10];  // a fiber's own may be what overflowed
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

// Where no thread has returned, everybody has seen everything: that is kept in one number, not in every clock.
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
    if (!group.empty())
      fail(text("thread ", block.me, " returns with a copy in flight, issued at ",
                describe(group[0].site)));
  }
  if (!self.open.empty()) {
    fail(text("thread ", block.me, " returns with a copy never committed, issued at ",
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
  std::abort();  // nobody enters a thread that is done
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

// What is next, of the threads that are ready and, behind them, the copies in flight: these land as late as they may,
// or at once in reverse order.
size_t next_turn() {
  const size_t turns = ready.size() + copies_in_flight();
  if (options.seed == 1) return copies_in_flight() > 0 ? ready.size() : turns - 1;
  return options.seed > 1 ? random_numbers() % turns : 0;
}

// Takes a thread out of `ready`.
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

// Arrivals at a named barrier that nobody waits for; empty: there are none.
std::string unmet_arrivals() {
  if (block.named_barriers.empty()) return "";
  const auto& [id, barrier] = *block.named_barriers.begin();
  return text("the block ends with barrier ", id, " incomplete: ", barrier.arrived, " of ",
              barrier.threads, " threads have arrived");
}

// Outside of all threads: a fault is an exception here.
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
    const size_t turn = next_turn();
    if (turn >= ready.size()) {
      land(turn - ready.size());
      continue;
    }
    block.me = take_thread(turn);
    threadIdx = {static_cast<unsigned>(block.me), 0, 0};
    Fiber::change(scheduler, block.thread().fiber);
  }
  for (const std::string& message : {unfinished_copies(), unmet_arrivals()}) {
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
  std::abort();  // nobody enters a thread that failed
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
  const auto take_later = [](std::vector<uint32_t>& times, const std::vector<uint32_t>& others) {
    for (size_t i = 0; i < others.size(); ++i) times[i] = std::max(times[i], others[i]);
  };
  take_later(into.times, from.times);
  if (from.fenced.empty()) return;
  into.fenced.resize(from.fenced.size());
  take_later(into.fenced, from.fenced);
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

// Arrives at a named barrier and leaves what it has seen there. Whether all are there now.
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
