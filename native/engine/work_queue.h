// A queue that one thread works off, and any thread adds to.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace qwen3 {

template <typename Item>
class WorkQueue {
 public:
  void push_back(Item item) {
    change([&] { items_.push_back(std::move(item)); });
  }
  void push_front(Item item) {
    change([&] { items_.push_front(std::move(item)); });
  }
  void stop() {
    change([&] { stopped_ = true; });
  }

  // Waits until something is there and calls take(items) with the queue locked; false, and no call, once it is stopped.
  template <typename Take>
  bool wait(const Take& take) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || !items_.empty(); });
    if (!stopped_) take(items_);
    return !stopped_;
  }

  // What was left when it stopped, for the thread that worked it off.
  std::deque<Item> rest() {
    const std::lock_guard lock(mutex_);
    return std::exchange(items_, {});
  }

 private:
  template <typename Edit>
  void change(const Edit& edit) {
    {
      const std::lock_guard lock(mutex_);
      edit();
    }
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  bool stopped_ = false;
};

}  // namespace qwen3
