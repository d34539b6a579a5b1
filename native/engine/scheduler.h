// Which texts run next. Pure: no lock, no clock, no device.
#pragma once
#include <deque>
#include <memory>
#include <vector>

#include "engine/request.h"

namespace qwen3 {

// Takes the texts that run next off the queue. Requests take turns: the first gives one text and goes to the end, and so
// on until a text does not fit. A batch is of one model, the first request's; the others keep their places. It stays
// within that model's limits and the smallest token budget of its requests; its first text runs whatever its length.
// A request that is cancelled, failed or taken completely leaves when its turn comes.
std::vector<Text> next_batch(std::deque<std::shared_ptr<Request>>& queue);

}  // namespace qwen3
