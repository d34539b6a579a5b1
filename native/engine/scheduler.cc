#include "engine/scheduler.h"

#include <algorithm>
#include <cstdint>

namespace qwen3 {
namespace {

// Whether texts of both requests may run in one batch.
bool run_together(const Request& a, const Request& b) {
  return a.loaded == b.loaded && a.threads == b.threads;
}

}  // namespace

std::vector<Text> next_batch(std::deque<std::shared_ptr<Request>>& queue) {
  std::vector<Text> batch;
  BatchSize size{};
  uint32_t budget = UINT32_MAX;  // smallest max_batch_tokens in the batch
  std::deque<std::shared_ptr<Request>> skipped;
  while (!queue.empty()) {
    const std::shared_ptr<Request> request = queue.front();
    const bool dead = request->cancelled || request->error;
    if (!dead && !batch.empty() && !run_together(*request, *batch[0].request)) {
      skipped.push_back(request);
    } else if (!dead) {
      const auto length = static_cast<uint32_t>(request->texts[request->batched].size());
      const BatchSize larger{size.texts + 1, size.tokens + length, size.pages + page_count(length)};
      budget = std::min(budget, request->max_batch_tokens);
      if (!batch.empty() && (larger.tokens > budget || !request->loaded->limits.holds(larger)))
        break;
      batch.push_back({request, request->batched++});
      size = larger;
      if (request->batched < request->texts.size()) queue.push_back(request);
    }
    queue.pop_front();
  }
  queue.insert(queue.begin(), skipped.begin(), skipped.end());
  return batch;
}

}  // namespace qwen3
