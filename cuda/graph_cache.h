// Lists of launches that come again and again: a short text's are the same for every text of its length. A list is
// launched one by one when it is new, becomes a CUDA graph when it comes again, and is one launch from then on.
#pragma once
#include "launches.h"
#include "runtime.h"

namespace qwen3::cuda {

class GraphCache {
 public:
  // On a stream that keeps nothing.
  Failure launch(const Stream& stream, const Launches& launches) {
    if (launches.empty()) return nullptr;
    Entry* entry = find(launches);
    if (!entry) {
      insert(launches);
      return launches.launch_on(stream);
    }
    entry->last_used = ++uses_;
    if (!entry->has_graph) {  // where there is no memory for a graph, its launches may work
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
  static constexpr size_t kMaxEntries = 128;  // lists; short texts of all lengths have 65

  struct Entry {
    Launches launches;
    uint64_t last_used = 0;  // never: nothing is there
    Graph graph{};
    bool has_graph = false;
  };

  Entry* find(const Launches& launches) {
    for (Entry& entry : entries_) {
      if (entry.last_used > 0 && entry.launches == launches) return &entry;
    }
    return nullptr;
  }

  // In the place of the list that was not used for longest. Where there is no memory for it, it stays new.
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
    const Failure captured =
        end_capture(stream, &entry.graph);  // also after a failure: the stream is to be free
    entry.has_graph = !launched && !captured;
    if (launched && !captured) destroy_graph(entry.graph);
    return launched ? launched : captured;
  }

  Entry entries_[kMaxEntries];
  uint64_t uses_ = 0;
};

}  // namespace qwen3::cuda
