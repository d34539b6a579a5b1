#include "cpu/thread_pool.h"

#include <algorithm>
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

void ThreadPool::reserve(uint32_t threads) {
  const std::lock_guard lock(turn_);
  const size_t before = workers_.size();
  while (workers_.size() + 1 < threads) {
    Worker& worker = workers_.emplace_back();
    const auto thread = static_cast<uint32_t>(workers_.size());
    try {
      worker.thread = std::thread([this, &worker, thread] { work(worker, thread); });
    } catch (...) {
      workers_.pop_back();
      end_workers(before);
      throw;
    }
  }
}

ThreadPool::~ThreadPool() { end_workers(0); }

void ThreadPool::end_workers(size_t remaining) {
  for (size_t i = remaining; i < workers_.size(); ++i) invite(workers_[i], kStop);
  for (; workers_.size() > remaining; workers_.pop_back()) workers_.back().thread.join();
}

uint32_t ThreadPool::threads() const {
  const std::lock_guard lock(turn_);
  return static_cast<uint32_t>(workers_.size()) + 1;
}

void ThreadPool::invite(Worker& worker, uint32_t number) {
  // An exchange, because a store may pass the check for a sleeper in notify_one, and the sleeper
  // would miss kStop.
  worker.invitation.exchange(number, std::memory_order_seq_cst);
  worker.invitation.notify_one();
}

void ThreadPool::run_job(const Job& job, uint32_t limit) {
  if (job.tasks == 0) return;
  const std::lock_guard lock(turn_);
  const size_t helpers = std::min<size_t>(std::min(limit, job.tasks) - 1, workers_.size());
  if (helpers == 0) {
    for (uint32_t task = 0; task < job.tasks; ++task) job.call(job.context, task, 0);
    return;
  }
  job_ = job;
  if (++number_ == kStop) number_ = 1;
  unfinished_.store(job.tasks, std::memory_order_relaxed);
  waiting_.store(uint64_t{number_} << 32 | job.tasks, std::memory_order_release);
  // The others sleep on, so a limit leaves their cores alone.
  for (size_t i = 0; i < helpers; ++i) invite(workers_[i], number_);
  run_tasks(number_, 0);
  for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;)
    wait_while(unfinished_, left);
}

// A thread that has taken a task may read job_, because the job cannot end before the task does. No
// job waits for a worker that has taken none.
void ThreadPool::run_tasks(uint32_t number, uint32_t thread) {
  uint64_t waiting = waiting_.load(std::memory_order_acquire);
  while (waiting >> 32 == number && static_cast<uint32_t>(waiting) != 0) {
    if (!waiting_.compare_exchange_weak(waiting, waiting - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
      continue;
    }
    job_.call(job_.context, job_.tasks - static_cast<uint32_t>(waiting), thread);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
    waiting = waiting_.load(std::memory_order_acquire);
  }
}

void ThreadPool::work(Worker& worker, uint32_t thread) {
  for (uint32_t number = 0; number != kStop;
       number = worker.invitation.load(std::memory_order_acquire)) {
    run_tasks(number, thread);
    wait_while(worker.invitation, number);
  }
}

}  // namespace qwen3
