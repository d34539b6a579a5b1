// A queue with one consumer thread, to which any thread can add items.
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

  // Waits for items, then calls take(items) with the queue locked and returns true. Returns false,
  // without the call, once the queue is stopped. Consumer thread only.
  template <typename Take>
  bool wait(const Take& take) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || !items_.empty(); });
    if (!stopped_) take(items_);
    return !stopped_;
  }

  // Removes and returns the items that were left when the queue stopped. Consumer thread only.
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
