// A thread that converts texts to token ids, or reads tokenizer files. Texts take turns, so that a
// short one does not wait for long ones.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/work_queue.h"
#include "tokenizer/tokenizer.h"

namespace qwen3 {

class TextTask {
 public:
  virtual ~TextTask() = default;
  // Does a part of the work. Returns false when it is done. Text thread only.
  virtual bool step() = 0;

  // Called once, on the text thread, with the exception if the work failed. Not called if it was
  // cancelled or the worker stopped.
  std::function<void(std::exception_ptr)> finish;
  std::atomic<bool> cancelled = false;
};

// Reads a tokenizer.json, in one step.
class ReadTokenizer : public TextTask {
 public:
  // Arguments as Tokenizer's.
  ReadTokenizer(std::string path, uint32_t rows, std::string end_token)
      : path_(std::move(path)), end_token_(std::move(end_token)), rows_(rows) {}
  bool step() override;

  std::shared_ptr<const Tokenizer> tokenizer;

 private:
  const std::string path_, end_token_;
  const uint32_t rows_;
};

struct TokenizeOptions {
  ControlTokens control_tokens = ControlTokens::parse;
  uint32_t max_tokens = UINT32_MAX;  // of a text, with those of the template
  bool truncate = false;             // to max_tokens; if not, a longer text has more, but not all
  bool keep_ids = true;              // false: only count them
};

// Converts texts.
class Tokenize : public TextTask {
 public:
  Tokenize(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::u16string> texts,
           const TokenizeOptions& options);
  bool step() override;

  std::vector<uint32_t> ids;      // of all texts
  std::vector<uint32_t> lengths;  // ids of each text
  // Why the conversion ended at the text after those in `lengths`.
  std::optional<Encoding::Refused> refused;

 private:
  void begin();
  void end();

  const std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<std::u16string> texts_;
  const TokenizeOptions options_;
  std::optional<Encoding> current_;
};

class TextWorker {
 public:
  TextWorker();
  ~TextWorker();
  TextWorker(const TextWorker&) = delete;
  TextWorker& operator=(const TextWorker&) = delete;

  void submit(std::shared_ptr<TextTask> task);  // any thread

 private:
  void work();

  WorkQueue<std::shared_ptr<TextTask>> queue_;
  std::thread thread_;
};

}  // namespace qwen3
