// A pool of compute threads, shared by the process. Independent of what they compute.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace qwen3 {

class ThreadPool {
 public:
  // `threads` includes the caller of run(), which also runs tasks: 1 starts no thread.
  explicit ThreadPool(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t threads() const { return static_cast<uint32_t>(workers_.size()) + 1; }

  // Calls function(task, thread) for every task in [0, tasks). Threads take tasks in ascending
  // order; run() returns when all tasks are done. thread < threads(), and no two calls with the
  // same `thread` overlap. Any thread may call run(); concurrent calls run one after another. The
  // function must not throw and must not call run().
  template <typename Function>
  void run(uint32_t tasks, Function&& function) {
    run_job({[](void* context, uint32_t task, uint32_t thread) {
               (*static_cast<std::remove_reference_t<Function>*>(context))(task, thread);
             },
             &function, tasks});
  }

 private:
  struct Job {
    void (*call)(void* context, uint32_t task, uint32_t thread) = nullptr;
    void* context = nullptr;
    uint32_t tasks = 0;
  };
  static constexpr uint32_t kStop = UINT32_MAX;

  void stop();
  void run_job(const Job& job);
  bool take_task(uint32_t thread);
  void work(uint32_t thread);

  std::mutex turn_;
  Job job_;  // changes only while waiting_ and unfinished_ are 0
  // On separate cache lines, so that taking a task does not slow the thread that waits for the last
  // one. `waiting_`: tasks that no thread has taken yet, or kStop.
  alignas(64) std::atomic<uint32_t> waiting_{0};
  alignas(64) std::atomic<uint32_t> unfinished_{0};
  std::vector<std::thread> workers_;
};

}  // namespace qwen3
