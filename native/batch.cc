#include "batch.h"

#include <algorithm>
#include <cstdint>

namespace qwen3 {

std::vector<Text> next_batch(std::deque<std::shared_ptr<Request>>& queue) {
  std::vector<Text> batch;
  BatchSize size{};
  uint32_t budget = UINT32_MAX;  // the smallest of those who share the batch
  bool full = false;
  std::erase_if(queue, [&](const std::shared_ptr<Request>& request) {
    if (request->cancelled || request->error) return true;
    if (!batch.empty() && request->model != batch[0].request->model) return false;
    while (!full && request->taken < request->texts()) {
      const auto length = static_cast<uint32_t>(request->text(request->taken).size());
      const BatchSize larger{size.texts + 1, size.tokens + length, size.pages + page_count(length)};
      budget = std::min(budget, request->max_batch_tokens);
      if (!batch.empty() && (larger.tokens > budget || !request->model->limits.holds(larger))) {
        full = true;
      } else {
        batch.push_back({request, request->taken++});
        size = larger;
      }
    }
    return request->taken == request->texts();
  });
  return batch;
}

}  // namespace qwen3
