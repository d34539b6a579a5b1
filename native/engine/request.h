// A request: the texts of one call, and the memory for their vectors.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/loaded_model.h"
#include "error.h"

namespace qwen3 {

// The owner of the memory that vectors are written to. It may free the memory at any time after it
// has set `alive` to false under the mutex. The engine holds the mutex while it writes.
struct MemoryOwner {
  std::mutex mutex;
  bool alive = true;
};

struct Request {
  std::shared_ptr<LoadedModel> loaded;
  // Token ids of all texts, one after another. The caller has checked that they are in the
  // vocabulary.
  std::vector<uint32_t> ids;
  // Text i is ids[ends[i - 1], ends[i]). The caller has checked that it has 1 to max_positions
  // tokens.
  std::vector<size_t> ends;
  uint32_t dimensions;
  uint32_t max_batch_tokens;  // largest batch, in tokens, that these texts may be part of
  // No bit of a vector may depend on the other texts of its batch, on any backend.
  bool batch_invariant = false;
  float* out;  // [texts, dimensions], memory of the owner
  std::shared_ptr<MemoryOwner> owner;
  // Called once on the engine thread, unless the request is cancelled before.
  std::function<void(Request&)> finish;

  // Set by the caller's thread, under the owner's mutex. No vector is written afterwards.
  std::atomic<bool> cancelled = false;

  // Written by the engine thread. Other threads may read them after `finish` has been called.
  std::vector<uint32_t> non_finite;  // texts without a finite vector, ascending; rows are zeros
  std::optional<Error> error;        // failure of the whole request
  size_t batched = 0, finished = 0;  // texts put into a batch, texts finished

  size_t texts() const { return ends.size(); }
  std::span<const uint32_t> text(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::span(ids).subspan(begin, ends[i] - begin);
  }
};

// One text of a request.
struct Text {
  std::shared_ptr<Request> request;
  size_t index;
  std::span<const uint32_t> ids() const { return request->text(index); }
};

}  // namespace qwen3
