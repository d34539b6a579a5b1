// Lists of launches that come again and again: a short text's are the same for every text of its length. A list is
// launched one by one when it is new, becomes a CUDA graph when it comes again, and is one launch from then on.
#pragma once
#include "launches.h"
#include "runtime.h"

namespace qwen3::cuda {

class Replay {
 public:
  // On a stream that keeps nothing.
  Failure launch(const Stream& stream, const Launches& launches) {
    if (launches.empty()) return nullptr;
    Known* known = find(launches);
    if (!known) {
      remember(launches);
      return launches.launch_on(stream);
    }
    known->last_used = ++uses_;
    if (!known->has_graph) {  // where there is no memory for a graph, its launches may work
      if (const Failure failure = make_graph(stream, *known)) {
        return launches.launch_on(stream) ? failure : nullptr;
      }
    }
    return launch_graph(known->graph, stream);
  }

  void close() {
    for (Known& known : known_) {
      if (known.has_graph) destroy_graph(known.graph);
      known.has_graph = false;
    }
  }

 private:
  static constexpr size_t kMostKnown = 128;  // lists; short texts of all lengths have 65

  struct Known {
    Launches launches;
    uint64_t last_used = 0;  // never: nothing is there
    Graph graph{};
    bool has_graph = false;
  };

  Known* find(const Launches& launches) {
    for (Known& known : known_) {
      if (known.last_used > 0 && known.launches == launches) return &known;
    }
    return nullptr;
  }

  // In the place of the list that was not used for longest. Where there is no memory for it, it stays new.
  void remember(const Launches& launches) {
    Known* oldest = &known_[0];
    for (Known& known : known_) {
      if (known.last_used < oldest->last_used) oldest = &known;
    }
    if (oldest->has_graph) destroy_graph(oldest->graph);
    oldest->has_graph = false;
    oldest->last_used = oldest->launches.copy(launches) ? ++uses_ : 0;
  }

  static Failure make_graph(const Stream& stream, Known& known) {
    if (const Failure failure = begin_capture(stream)) return failure;
    const Failure launched = known.launches.launch_on(stream);
    const Failure captured =
        end_capture(stream, &known.graph);  // also after a failure: the stream is to be free
    known.has_graph = !launched && !captured;
    if (launched && !captured) destroy_graph(known.graph);
    return launched ? launched : captured;
  }

  Known known_[kMostKnown];
  uint64_t uses_ = 0;
};

}  // namespace qwen3::cuda
