// A request: the texts of one call, and the memory for their vectors.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
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
  // Adds texts: their token ids one after another, the length of each, and the memory for each
  // vector. The caller has checked that the ids are in the vocabulary, that a text has 1 to
  // max_positions tokens, and that the lengths sum up to the ids.
  void add(std::vector<uint32_t> ids, std::span<const uint32_t> lengths,
           std::span<float* const> vectors) {
    const std::span all(slices.emplace_back(std::move(ids)));
    size_t begin = 0;
    for (const uint32_t length : lengths) {
      texts.push_back(all.subspan(begin, length));
      begin += length;
    }
    out.insert(out.end(), vectors.begin(), vectors.end());
  }

  std::shared_ptr<LoadedModel> loaded;
  std::vector<std::vector<uint32_t>> slices;     // token ids, as they were added
  std::vector<std::span<const uint32_t>> texts;  // of the slices
  std::vector<float*> out;                       // per text, [dimensions], memory of the owner
  uint32_t dimensions;
  uint32_t max_batch_tokens;  // largest batch, in tokens, that these texts may be part of
  uint32_t threads = 1;       // see Backend::limit_threads
  // No bit of a vector may depend on the other texts of its batch, on any backend.
  bool batch_invariant = false;
  std::shared_ptr<MemoryOwner> owner;
  // Called once on the engine thread, unless the request is cancelled before.
  std::function<void(Request&)> finish;

  // Set by the caller's thread, under the owner's mutex. No vector is written afterwards.
  std::atomic<bool> cancelled = false;

  // Written by the engine thread. Other threads may read them after `finish` has been called.
  // Texts without a finite vector, ascending. Their vectors are zeros.
  std::vector<uint32_t> non_finite;
  std::optional<Error> error;        // failure of the whole request
  size_t batched = 0, finished = 0;  // texts put into a batch, texts finished
};

// One text of a request.
struct Text {
  std::shared_ptr<Request> request;
  size_t index;
  std::span<const uint32_t> ids() const { return request->texts[index]; }
};

}  // namespace qwen3
