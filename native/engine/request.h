// What callers ask for: the texts of one call, and where their vectors go.
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

// Whoever owns the memory that vectors are written to. It may go away at any moment, and takes the mutex to say so;
// the engine holds the mutex while it writes.
struct MemoryOwner {
  std::mutex mutex;
  bool alive = true;
};

// Texts of one call.
struct Request {
  std::shared_ptr<LoadedModel> loaded;
  std::vector<uint32_t> ids;  // of all texts, one after another; checked: below the vocabulary
  std::vector<size_t>
      ends;  // text i is ids[ends[i - 1], ends[i]); checked: not empty, not over max_positions
  uint32_t dimensions;
  uint32_t max_batch_tokens;  // how many tokens may share a batch with these
  bool batch_invariant =
      false;   // no bit of a vector may depend on what shares its batch, on any backend
  float* out;  // [texts, dimensions], the owner's
  std::shared_ptr<MemoryOwner> owner;
  std::function<void(Request&)>
      finish;  // called once on the engine thread, unless cancelled before

  // Set by the caller's thread, under the owner's mutex: nothing is written after it.
  std::atomic<bool> cancelled = false;

  // The engine's, readable from `finish` on.
  std::vector<uint32_t>
      non_finite;              // texts without a finite vector, ascending; their rows are zeros
  std::optional<Error> error;  // the whole request failed
  size_t taken = 0, done = 0;  // texts given to a batch, texts finished

  size_t texts() const { return ends.size(); }
  std::span<const uint32_t> text(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::span(ids).subspan(begin, ends[i] - begin);
  }
};

struct Text {
  std::shared_ptr<Request> request;
  size_t index;
  std::span<const uint32_t> ids() const { return request->text(index); }
};

}  // namespace qwen3
