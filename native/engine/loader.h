// Loads models one at a time on a separate thread, so that neither the event loop nor running
// batches wait. A model that is already loaded is shared.
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
  // Called once, on the loader thread, with the model or the failure; with two nulls if the load
  // was cancelled or the loader stopped. The members below are set if there is a model.
  std::function<void(std::shared_ptr<LoadedModel>, std::exception_ptr)> finish;
  Precision precision{};  // of the model
  uint32_t threads = 0;   // of the backend that was opened for this load, see Backend::Traits
  std::string note;       // OpenDevice's
  std::atomic<bool> cancelled = false;
};

class Loader {
 public:
  Loader();
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  void submit(std::shared_ptr<LoadJob> job);  // any thread
  // Releases a model on the loader thread, because freeing gigabytes would block the event loop too
  // long. Any thread.
  void release(std::shared_ptr<LoadedModel> model);

 private:
  // Either a job or a model to release.
  struct Task {
    std::shared_ptr<LoadJob> job;
    std::shared_ptr<LoadedModel> released;
  };

  void work();
  void run(LoadJob& job);
  std::shared_ptr<LoadedModel> load(LoadJob& job);

  WorkQueue<Task> queue_;
  // By identity (loader.cc). Used by the loader thread only.
  std::map<std::string, std::weak_ptr<LoadedModel>> loaded_;
  std::thread thread_;
};

}  // namespace qwen3
