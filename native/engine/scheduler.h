// Selects the texts that run next. A pure function of the queue: no lock, no clock, no device.
#pragma once
#include <deque>
#include <memory>
#include <vector>

#include "engine/request.h"

namespace qwen3 {

// Removes the texts of the next batch from the queue. Requests take turns: one text of the first
// request is taken and the request moves to the end, until a text does not fit. A batch has texts
// of one model and one number of threads, the first request's; other requests keep their places.
// The batch stays within the model's limits and the smallest max_batch_tokens of its requests,
// except that its first text runs whatever its length. A request that is cancelled, has failed or
// has no texts left is removed at its turn.
std::vector<Text> next_batch(std::deque<std::shared_ptr<Request>>& queue);

}  // namespace qwen3
