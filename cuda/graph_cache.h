// A cache of CUDA graphs for lists of launches. All short texts of one length have the same list. A
// new list is launched kernel by kernel; the second time it becomes a graph, which is one launch
// from then on. The least recently used list is evicted.
#pragma once
#include "runtime.h"

namespace qwen3::cuda {

class GraphCache {
 public:
  // `stream` must not be recording.
  Failure launch(const Stream& stream, const Launches& launches) {
    if (launches.empty()) return nullptr;
    Entry* entry = find(launches);
    if (!entry) {
      insert(launches);
      return launches.launch_on(stream);
    }
    entry->last_used = ++uses_;
    // If there is no memory for a graph, single launches may still work.
    if (!entry->has_graph) {
      if (const Failure failure = make_graph(stream, *entry)) {
        return launches.launch_on(stream) ? failure : nullptr;
      }
    }
    return launch_graph(entry->graph, stream);
  }

  void close() {
    for (Entry& entry : entries_) {
      if (entry.has_graph) destroy_graph(entry.graph);
      entry.has_graph = false;
    }
  }

 private:
  static constexpr size_t kMaxEntries = 128;  // short texts of all lengths need 65

  struct Entry {
    Launches launches;
    uint64_t last_used = 0;  // 0: empty
    Graph graph{};
    bool has_graph = false;
  };

  Entry* find(const Launches& launches) {
    for (Entry& entry : entries_) {
      if (entry.last_used > 0 && entry.launches == launches) return &entry;
    }
    return nullptr;
  }

  // Replaces the least recently used entry. If there is no memory for the list, the entry stays
  // empty.
  void insert(const Launches& launches) {
    Entry* oldest = &entries_[0];
    for (Entry& entry : entries_) {
      if (entry.last_used < oldest->last_used) oldest = &entry;
    }
    if (oldest->has_graph) destroy_graph(oldest->graph);
    oldest->has_graph = false;
    oldest->last_used = oldest->launches.copy(launches) ? ++uses_ : 0;
  }

  static Failure make_graph(const Stream& stream, Entry& entry) {
    if (const Failure failure = begin_capture(stream)) return failure;
    const Failure launched = entry.launches.launch_on(stream);
    // Also after a failure, to end the capture.
    const Failure captured = end_capture(stream, &entry.graph);
    entry.has_graph = !launched && !captured;
    if (launched && !captured) destroy_graph(entry.graph);
    return launched ? launched : captured;
  }

  Entry entries_[kMaxEntries];
  uint64_t uses_ = 0;
};

}  // namespace qwen3::cuda
