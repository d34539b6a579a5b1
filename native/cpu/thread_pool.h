// A pool of compute threads, shared by the process. Independent of what they compute.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace qwen3 {

class ThreadPool {
 public:
  ThreadPool() = default;  // of one thread
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Starts threads until there are `threads`. The caller of run(), which also runs tasks, is one of
  // them. Throws std::system_error, and starts none, if the system cannot create all. Any thread.
  void reserve(uint32_t threads);

  uint32_t threads() const;

  // Calls function(task, thread) for every task in [0, tasks), on at most `limit` threads, at
  // least 1. Threads take tasks in ascending order; run() returns when all tasks are done. thread <
  // limit, and no two calls with the same `thread` overlap. Any thread may call run(); concurrent
  // calls run one after another. The function must not throw and must not call run().
  template <typename Function>
  void run(uint32_t tasks, uint32_t limit, Function&& function) {
    run_job({[](void* context, uint32_t task, uint32_t thread) {
               (*static_cast<std::remove_reference_t<Function>*>(context))(task, thread);
             },
             &function, tasks},
            limit);
  }

 private:
  struct Job {
    void (*call)(void* context, uint32_t task, uint32_t thread) = nullptr;
    void* context = nullptr;
    uint32_t tasks = 0;
  };
  // On a cache line of its own, because an idle worker spins on its invitation.
  struct alignas(64) Worker {
    std::atomic<uint32_t> invitation{0};  // number of the last job it was invited to, or kStop
    std::thread thread;
  };
  static constexpr uint32_t kStop = UINT32_MAX;

  static void invite(Worker& worker, uint32_t number);
  void end_workers(size_t remaining);
  void run_job(const Job& job, uint32_t limit);
  void run_tasks(uint32_t number, uint32_t thread);
  void work(Worker& worker, uint32_t thread);

  mutable std::mutex turn_;
  std::deque<Worker> workers_;  // worker i is thread i + 1
  Job job_;                     // changes only while waiting_ has no tasks and unfinished_ is 0
  uint32_t number_ = 0;         // of the job
  // On separate cache lines, so that taking a task does not slow the thread that waits for the last
  // one. `waiting_`: upper half, the job's number, so that a late worker takes no task of a job it
  // was not invited to; lower half, the tasks not yet taken.
  alignas(64) std::atomic<uint64_t> waiting_{0};
  alignas(64) std::atomic<uint32_t> unfinished_{0};
};

// A pool, and how many of its threads to use.
struct Threads {
  std::shared_ptr<ThreadPool> pool;
  uint32_t count;

  template <typename Function>
  void run(uint32_t tasks, Function&& function) const {
    pool->run(tasks, count, function);
  }
};

}  // namespace qwen3
