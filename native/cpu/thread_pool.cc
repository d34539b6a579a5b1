#include "cpu/thread_pool.h"

#include <chrono>

namespace qwen3 {
namespace {

using Clock = std::chrono::steady_clock;

// How long a thread without work spins before it sleeps: longer than the gap between two ops of a
// forward pass, too short to waste noticeable CPU time.
constexpr auto kSpin = std::chrono::microseconds(50);

// Returns when `value` differs from `old`.
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

}  // namespace

ThreadPool::ThreadPool(uint32_t threads) {
  workers_.reserve(threads);
  try {
    for (uint32_t thread = 1; thread < threads; ++thread) {
      workers_.emplace_back([this, thread] { work(thread); });
    }
  } catch (...) {  // the system cannot create more threads
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

// A thread that has taken a task may read job_, because the job cannot end before the task does. So
// a worker that was late for one job can join the next, and no job waits for a sleeping worker.
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
