// The one queue of the process and the thread that works it off. Knows requests, not who made them.
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
  // Fails what is queued with CLOSED, ends the batch that runs.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Queues a request; its `finish` is called once on the engine thread, or never if it is cancelled. Any thread.
  void submit(std::shared_ptr<Request> request);

  // Where a backend was last told to write a vector.
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
