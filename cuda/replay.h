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
    const uint64_t hash = launches.hash();
    Known* known = find(hash, launches);
    if (!known) {
      const Failure failure = remember(stream, hash, launches);
      return failure ? failure : launches.launch_on(stream);
    }
    known->last_used = ++uses_;
    if (!known->has_graph) {
      if (const Failure failure = make_graph(stream, *known)) return failure;
    }
    return launch_graph(known->graph, stream);
  }

  // The device has finished, or has failed.
  void close() {
    for (Known& known : known_) {
      if (known.has_graph) destroy_graph(known.graph);
      known.has_graph = false;
    }
  }

 private:
  static constexpr size_t kMostKnown = 64;  // a list for every length of a short text

  struct Known {
    Launches launches;
    uint64_t hash = 0, last_used = 0;  // never: nothing is there
    Graph graph{};
    bool has_graph = false;
  };

  Known* find(uint64_t hash, const Launches& launches) {
    for (Known& known : known_) {
      if (known.last_used > 0 && known.hash == hash && known.launches == launches) return &known;
    }
    return nullptr;
  }

  // In the place of the list that was not used for longest. Where there is no memory for it, it stays new.
  Failure remember(const Stream& stream, uint64_t hash, const Launches& launches) {
    Known* oldest = &known_[0];
    for (Known& known : known_) {
      if (known.last_used < oldest->last_used) oldest = &known;
    }
    if (oldest->has_graph) {
      if (const Failure failure = synchronize(stream)) return failure;  // it may be running
      destroy_graph(oldest->graph);
      oldest->has_graph = false;
    }
    oldest->hash = hash;
    oldest->last_used = oldest->launches.copy(launches) ? ++uses_ : 0;
    return nullptr;
  }

  static Failure make_graph(const Stream& stream, Known& known) {
    if (const Failure failure = begin_capture(stream)) return failure;
    const Failure launched = known.launches.launch_on(stream);
    const Failure captured =
        end_capture(stream, &known.graph);  // also after a failure: the stream is to be free
    known.has_graph = !captured;
    return launched ? launched : captured;
  }

  Known known_[kMostKnown];
  uint64_t uses_ = 0;
};

}  // namespace qwen3::cuda
