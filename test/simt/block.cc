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

namespace simt {

Options options;
Counters counters;
Block block;

namespace {

Fiber scheduler;
std::vector<int> ready;
std::mt19937_64 random_numbers;
uint32_t latest;  // the highest time of any clock so far
bool failed;
std::string failure;
const void* kernel_function;
const std::function<void()>* kernel_body;

std::string where() {
  return text("; kernel ", function_name(kernel_function), ", block (", blockIdx.x, ",", blockIdx.y, ",",
              blockIdx.z, ")");
}

// A crash, a trap of the compiler's checks, or a launch without end: say where, and die.
void on_signal(int number, siginfo_t* info, [[maybe_unused]] void* context) {
  Site site = 0;
#if defined(__x86_64__)
  const greg_t at = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  site = site_of(reinterpret_cast<const void*>(at + 1));
#endif
  std::fprintf(stderr, "simt: %s (address %p) at %s, thread %d%s\n", strsignal(number), info->si_addr,
               describe(site).c_str(), block.me, block.running ? where().c_str() : " of the host");
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
    for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM}) sigaction(number, &action, nullptr);
    return true;
  }();
  (void)done;
}

// Where no thread has returned, everybody has seen everything: that is kept in one number, not in every clock.
void release_barrier() {
  Barrier barrier = std::move(block.barrier);
  block.barrier = {};
  const bool all = barrier.waiting.size() == static_cast<size_t>(block.count);
  if (all) era.barrier = latest;
  Clock seen(all ? 0 : static_cast<size_t>(block.count), 0);
  if (!all) {
    for (const int thread : barrier.waiting) join(seen, block.clocks[thread]);
  }
  for (const int thread : barrier.waiting) {
    if (all) {
      block.clocks[thread][thread] = era.barrier;
    } else {
      join(block.clocks[thread], seen);
    }
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
      fail(text("thread ", block.me, " returns with a copy in flight, issued at ", describe(group[0].site)));
  }
  if (!self.open.empty()) {
    fail(text("thread ", block.me, " returns with a copy never committed, issued at ",
              describe(self.open[0].site)));
  }
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
               : "wait in " + thread.waits_in + " at " + describe(thread.site)]
        .push_back(t);
  }
  std::string all = "deadlock:";
  for (const auto& [what, threads] : groups) all += text(" threads ", ranges(threads), " ", what, ";");
  all.pop_back();
  return all;
}

// Takes the next thread to run out of `ready`.
int next_thread() {
  size_t i = 0;
  if (options.seed == 1) i = ready.size() - 1;
  if (options.seed > 1) i = random_numbers() % ready.size();
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
  block.warps.assign((threads + 31) / 32, {});
  block.clocks.resize(threads);
  ready.clear();
  for (int t = 0; t < block.count; ++t) {
    block.clocks[t].assign(threads, era.block);
    block.clocks[t][t] = latest;
    Thread& thread = *block.threads[t];
    thread.open.clear();
    thread.groups.clear();
    thread.fiber.prepare(run_thread);
    wake(t);
  }
}

void run_block() {
  begin_block(blockDim.x);
  block.running = true;
  while (block.unreturned && !failed) {
    if (ready.empty()) {
      failure = deadlock() + where();
      failed = true;
      break;
    }
    block.me = next_thread();
    threadIdx = {static_cast<unsigned>(block.me), 0, 0};
    Fiber::change(scheduler, block.thread().fiber);
  }
  block.running = false;
}

}  // namespace

void run_grid(const void* kernel, dim3 grid, unsigned threads, size_t shared_bytes,
              const std::function<void()>& body) {
  set_up();
  kernel_function = kernel;
  kernel_body = &body;
  gridDim = grid;
  blockDim = dim3(threads);
  shared.bytes = shared_bytes;
  block.count = static_cast<int>(threads);
  while (block.threads.size() < threads) block.threads.push_back(std::make_unique<Thread>());
  failed = false;
  era.launch = latest;

  std::vector<uint64_t> order(uint64_t{grid.x} * grid.y * grid.z);
  for (size_t i = 0; i < order.size(); ++i) order[i] = options.seed == 1 ? order.size() - 1 - i : i;
  random_numbers.seed(options.seed);
  if (options.seed > 1) std::shuffle(order.begin(), order.end(), random_numbers);

  alarm(options.seconds);
  for (const uint64_t index : order) {
    blockIdx = {static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
                static_cast<unsigned>(index / grid.x / grid.y)};
    run_block();
    if (failed) break;
  }
  alarm(0);
  if (failed) throw Fault(failure);
}

void fail(const std::string& message) {
  if (!block.running) throw Fault(message);
  failure = message + where();
  failed = true;
  Fiber::change(block.thread().fiber, scheduler);
  std::abort();  // nobody enters a thread that failed
}

void sleep_in(std::string what, Site site) {
  Thread& self = block.thread();
  self.state = Thread::State::waiting;
  self.waits_in = std::move(what);
  self.site = site;
  Fiber::change(self.fiber, scheduler);
}

void wake(int thread) {
  block.threads[thread]->state = Thread::State::ready;
  ready.push_back(thread);
}

void join(Clock& into, const Clock& from) {
  for (size_t i = 0; i < into.size(); ++i) into[i] = std::max(into[i], from[i]);
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

void* shared_base(size_t alignment) { return open_shared_memory(alignment); }

uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const char*>(p) - shared.window);
}

}  // namespace simt
