// The process's queue of requests, and the thread that computes them in batches. Does not use Node.
#pragma once
#include <atomic>
#include <memory>
#include <thread>

#include "engine/scheduler.h"
#include "engine/work_queue.h"

namespace qwen3 {

class Engine {
 public:
  Engine();
  // Waits for the running batch, then fails all queued requests with CLOSED.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Queues a request. Its `finish` is called once on the engine thread, or never if the request is
  // cancelled. Any thread.
  void submit(std::shared_ptr<Request> request);

  // Address to which a backend last wrote a vector.
  const void* last_pooled() const { return last_pooled_; }

 private:
  void work();
  void run(const std::vector<Text>& texts);
  void pool(LoadedModel& loaded, const Batch& batch, const std::vector<Text>& texts);

  WorkQueue<std::shared_ptr<Request>> queue_;
  std::atomic<const void*> last_pooled_ = nullptr;
  std::thread thread_;
};

}  // namespace qwen3
