// The process's compute threads. Knows nothing of what they compute.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace qwen3 {

class ThreadPool {
 public:
  // `threads` counts the caller of run(), which takes part: 1 starts none.
  explicit ThreadPool(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t threads() const { return static_cast<uint32_t>(workers_.size()) + 1; }

  // Calls function(task, thread) for every task below `tasks`, in ascending order as threads come free, and returns
  // when all are done. thread < threads(), and no two calls with the same thread overlap. Any thread may call it;
  // calls take turns. The function must not throw and must not call run().
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
  // Apart, so that taking a task does not disturb the one who waits for the last.
  alignas(64) std::atomic<uint32_t> waiting_{0};  // tasks that nobody has taken yet, or kStop
  alignas(64) std::atomic<uint32_t> unfinished_{0};
  std::vector<std::thread> workers_;
};

}  // namespace qwen3
