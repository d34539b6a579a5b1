#include "batch.h"

#include <algorithm>
#include <cstdint>

namespace qwen3 {

std::vector<Text> next_batch(std::deque<std::shared_ptr<Request>>& queue, size_t max_texts) {
  std::vector<Text> batch;
  size_t tokens = 0, budget = SIZE_MAX;  // the smallest of those who share the batch
  bool full = false;
  std::erase_if(queue, [&](const std::shared_ptr<Request>& request) {
    if (request->cancelled || request->error) return true;
    if (!batch.empty() && request->model != batch[0].request->model) return false;
    while (!full && request->taken < request->texts()) {
      const size_t length = request->text(request->taken).size();
      budget = std::min<size_t>(budget, request->max_batch_tokens);
      if (!batch.empty() && (tokens + length > budget || batch.size() == max_texts)) {
        full = true;
      } else {
        batch.push_back({request, request->taken++});
        tokens += length;
      }
    }
    return request->taken == request->texts();
  });
  return batch;
}

}  // namespace qwen3
