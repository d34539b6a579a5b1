#include "engine/text_worker.h"

#include <algorithm>
#include <chrono>

#include "error.h"
#include "platform/file.h"

namespace qwen3 {
namespace {

using Clock = std::chrono::steady_clock;

// How long a task works before others have their turn.
constexpr Clock::duration kTurn = std::chrono::milliseconds(1);

// The largest published tokenizer.json has 11 MB.
constexpr uint64_t kMaxFileBytes = 64 << 20;

std::string content_of(const std::string& path) {
  const File file(path);
  if (file.size() > kMaxFileBytes)
    throw Error(ErrorCode::model_invalid, path + " has " + std::to_string(file.size()) +
                                              " bytes; at most " + std::to_string(kMaxFileBytes) +
                                              " are accepted");
  std::string content(file.size(), '\0');
  file.read(0, content.data(), content.size());
  return content;
}

}  // namespace

bool ReadTokenizer::step() {
  const std::string json = content_of(path_);
  try {
    tokenizer = std::make_shared<Tokenizer>(json, rows_, end_token_);
  } catch (const Error& error) {
    throw Error(error.code, path_ + ": " + error.what());
  }
  return false;
}

Tokenize::Tokenize(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::u16string> texts,
                   const TokenizeOptions& options)
    : tokenizer_(std::move(tokenizer)), texts_(std::move(texts)), options_(options) {}

bool Tokenize::step() {
  if (!current_) begin();
  if (current_->step()) return true;
  refused = current_->refused();
  if (refused) return false;
  end();
  return lengths.size() < texts_.size();
}

void Tokenize::begin() {
  const size_t around = tokenizer_->before().size() + tokenizer_->after().size();
  const size_t limit = size_t{options_.max_tokens} + (options_.truncate ? 0 : 1);
  current_.emplace(tokenizer_, std::move(texts_[lengths.size()]),
                   EncodeOptions{.control_tokens = options_.control_tokens,
                                 .max_ids = limit > around ? limit - around : 0,
                                 .keep_ids = options_.keep_ids});
}

void Tokenize::end() {
  const auto &before = tokenizer_->before(), &after = tokenizer_->after();
  if (options_.keep_ids) {
    for (const auto* part : {&before, &current_->ids(), &after})
      ids.insert(ids.end(), part->begin(), part->end());
  }
  lengths.push_back(static_cast<uint32_t>(before.size() + current_->count() + after.size()));
  current_.reset();
}

TextWorker::TextWorker() : thread_([this] { work(); }) {}

TextWorker::~TextWorker() {
  queue_.stop();
  thread_.join();
}

void TextWorker::submit(std::shared_ptr<TextTask> task) { queue_.push_back(std::move(task)); }

void TextWorker::work() {
  std::shared_ptr<TextTask> task;
  while (queue_.wait([&](auto& tasks) {
    task = std::move(tasks.front());
    tasks.pop_front();
  })) {
    const Clock::time_point end = Clock::now() + kTurn;
    std::exception_ptr failure;
    bool more = true;
    try {
      while (more && !task->cancelled && Clock::now() < end) more = task->step();
      if (more && !task->cancelled) queue_.push_back(task);
    } catch (...) {
      failure = std::current_exception();
      more = false;
    }
    if (!more && !task->cancelled) task->finish(failure);
    task.reset();
  }
}

}  // namespace qwen3
