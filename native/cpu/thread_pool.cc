#include "cpu/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include "platform/cgroup.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace qwen3 {
namespace {

using Clock = std::chrono::steady_clock;

// How long a thread without work looks for more before it sleeps: longer than the gap between two ops of a forward
// pass, much shorter than anybody would notice.
constexpr auto kSpin = std::chrono::microseconds(50);

// Returns when `value` is no longer `old`.
void wait_while(const std::atomic<uint32_t>& value, uint32_t old) {
  const auto deadline = Clock::now() + kSpin;
  while (value.load(std::memory_order_acquire) == old) {
    if (Clock::now() < deadline) {
      std::this_thread::yield();
    } else {
      value.wait(old, std::memory_order_acquire);
    }
  }
}

#ifdef __linux__
// Physical cores among the CPUs that this process is bound to; 0 where the kernel does not say.
uint32_t bound_cores() {
  cpu_set_t bound;
  if (sched_getaffinity(0, sizeof bound, &bound) != 0) return 0;
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &bound)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package, core;
    if (!(std::ifstream(topology + "physical_package_id") >> package)) return CPU_COUNT(&bound);
    if (!(std::ifstream(topology + "core_id") >> core)) return CPU_COUNT(&bound);
    cores.emplace(package, core);
  }
  return static_cast<uint32_t>(cores.size());
}
#else
uint32_t bound_cores() { return 0; }
#endif

}  // namespace

uint32_t physical_cores() {
  uint32_t cores = bound_cores();
  if (!cores) cores = std::thread::hardware_concurrency();
  if (const double quota = cgroup_cpus(); quota < cores) cores = static_cast<uint32_t>(quota);
  return std::max(cores, 1u);
}

ThreadPool::ThreadPool(uint32_t threads) {
  workers_.reserve(threads);
  try {
    for (uint32_t thread = 1; thread < threads; ++thread) {
      workers_.emplace_back([this, thread] { work(thread); });
    }
  } catch (...) {  // the system gives no more threads
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  waiting_.store(kStop, std::memory_order_release);
  waiting_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_job(const Job& job) {
  if (job.tasks == 0) return;
  const std::lock_guard lock(turn_);
  if (job.tasks == 1 || workers_.empty()) {
    for (uint32_t task = 0; task < job.tasks; ++task) job.call(job.context, task, 0);
    return;
  }
  job_ = job;
  unfinished_.store(job.tasks, std::memory_order_relaxed);
  waiting_.store(job.tasks, std::memory_order_release);
  waiting_.notify_all();
  while (take_task(0)) {
  }
  for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;)
    wait_while(unfinished_, left);
}

// Whoever took a task may read job_: the job cannot end before the task has. So a worker that comes late can join the
// next job without knowing that there was another in between, and nobody waits for a worker that sleeps.
bool ThreadPool::take_task(uint32_t thread) {
  uint32_t waiting = waiting_.load(std::memory_order_acquire);
  while (waiting != 0 && waiting != kStop) {
    if (!waiting_.compare_exchange_weak(waiting, waiting - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
      continue;
    }
    job_.call(job_.context, job_.tasks - waiting, thread);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
    return true;
  }
  return false;
}

void ThreadPool::work(uint32_t thread) {
  while (waiting_.load(std::memory_order_acquire) != kStop) {
    if (!take_task(thread)) wait_while(waiting_, 0);
  }
}

}  // namespace qwen3
