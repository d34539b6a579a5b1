// Loads models one after another on a thread of its own, so that neither the event loop nor running batches wait, and
// shares a model that is loaded already.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "devices/open_device.h"
#include "engine/loaded_model.h"
#include "engine/work_queue.h"

namespace qwen3 {

struct LoadJob {
  ModelSource source;
  DeviceRequest device;
  std::function<void(uint64_t loaded, uint64_t total)> progress;  // loader thread
  // Once, loader thread, after `precision` is set; null, null: cancelled.
  std::function<void(std::shared_ptr<LoadedModel>, std::exception_ptr)> finish;
  Precision precision{};  // of the model, with OpenDevice's note
  std::string note;
  std::atomic<bool> cancelled = false;
};

class Loader {
 public:
  Loader();
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  void submit(std::shared_ptr<LoadJob> job);  // any thread
  // Lets go of a model on the loader thread: giving back gigabytes takes longer than an event loop may be held.
  void release(std::shared_ptr<LoadedModel> model);

 private:
  // One of the two.
  struct Task {
    std::shared_ptr<LoadJob> job;
    std::shared_ptr<LoadedModel> released;
  };

  void work();
  void run(LoadJob& job);
  std::shared_ptr<LoadedModel> load(LoadJob& job);

  WorkQueue<Task> queue_;
  std::map<std::string, std::weak_ptr<LoadedModel>>
      loaded_;  // by what makes two models the same; loader thread
  std::thread thread_;
};

}  // namespace qwen3
