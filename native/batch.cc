#include "batch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace qwen3 {

std::vector<Text> next_batch(std::deque<std::shared_ptr<Request>>& queue) {
  std::vector<Text> batch;
  BatchSize size{};
  uint32_t budget = UINT32_MAX;  // the smallest of those who share the batch
  for (size_t i = 0; i < queue.size();) {
    const std::shared_ptr<Request> request = queue[i];
    const auto leave = [&] { queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(i)); };
    if (request->cancelled || request->error) {
      leave();
      continue;
    }
    if (!batch.empty() && request->model != batch[0].request->model) {
      ++i;
      continue;
    }
    const auto length = static_cast<uint32_t>(request->text(request->taken).size());
    const BatchSize larger{size.texts + 1, size.tokens + length, size.pages + page_count(length)};
    budget = std::min(budget, request->max_batch_tokens);
    if (!batch.empty() && (larger.tokens > budget || !request->model->limits.holds(larger))) break;
    batch.push_back({request, request->taken++});
    size = larger;
    leave();
    if (request->taken < request->texts()) queue.push_back(request);
  }
  return batch;
}

}  // namespace qwen3
