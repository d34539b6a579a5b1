// The conversion of one text: added tokens in the original text, NFC, added tokens in the
// normalized text, words, ids.
#include <algorithm>

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/unicode/normalize.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/words/long_word.h"
#include "tokenizer/words/split.h"

namespace qwen3 {
namespace {

// Bytes of words in a step.
constexpr size_t kStepBytes = 2'048;

// Longer words are encoded in windows.
constexpr size_t kLongBytes = 2'048;

}  // namespace

class Encoding::State {
 public:
  State(std::shared_ptr<const Tokenizer> tokenizer, std::u16string text,
        const EncodeOptions& options)
      : tokenizer_(std::move(tokenizer)),
        parts_(*tokenizer_->parts_),
        options_(options),
        text_(std::move(text)) {}

  bool step();

  std::vector<uint32_t> ids;
  size_t count = 0;
  std::optional<Refused> refused;

 private:
  const Tokenizer::Parts::Stages& stages() const {
    return options_.control_tokens == ControlTokens::as_text ? parts_.without_control : parts_.all;
  }
  bool done() const { return refused || count >= options_.max_ids; }
  void start();
  void begin(const Section& section);
  void begin_normalized(const Section& section);
  size_t encode_word();
  void add(const AddedToken& token);
  void take(const std::vector<uint32_t>& word);

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const Tokenizer::Parts& parts_;
  const EncodeOptions options_;

  // What is left to do, from the outside to the inside.
  std::u16string text_;
  bool started_ = false;
  Sections sections_;  // of the text
  std::u16string composed_;
  std::u16string_view normalized_;  // the current section after NFC
  Sections normalized_sections_;    // of it
  std::u16string_view words_;       // the current section of it, without what has been encoded
  std::optional<LongWord> long_word_;

  std::string word_;  // UTF-8
  std::vector<uint32_t> word_ids_;
};

// Each turn does one thing at the innermost level that has something left.
bool Encoding::State::step() {
  for (size_t bytes = 0; bytes < kStepBytes && !done();) {
    if (long_word_) {
      bytes += kStepBytes;
      if (long_word_->step()) continue;
      take(long_word_->ids());
      long_word_.reset();
    } else if (!words_.empty()) {
      bytes += encode_word();
    } else if (const auto section = normalized_sections_.next()) {
      begin_normalized(*section);
      ++bytes;
    } else if (const auto section = sections_.next()) {
      begin(*section);
      ++bytes;
    } else if (!started_) {
      start();
    } else {
      return false;
    }
  }
  return !done();
}

void Encoding::State::start() {
  started_ = true;
  replace_lone_surrogates(text_);
  sections_ = {stages().original, text_};
}

void Encoding::State::begin(const Section& section) {
  if (section.token) return add(*section.token);
  normalized_ = std::u16string_view(text_).substr(section.from, section.to - section.from);
  if (!is_normalized(normalized_)) {
    composed_.clear();
    append_nfc(normalized_, composed_);
    normalized_ = composed_;
  }
  normalized_sections_ = {stages().normalized, normalized_};
}

void Encoding::State::begin_normalized(const Section& section) {
  if (section.token) return add(*section.token);
  words_ = normalized_.substr(section.from, section.to - section.from);
}

// Returns the word's bytes.
size_t Encoding::State::encode_word() {
  const size_t end = word_end(words_, 0);
  word_.clear();
  append_utf8(words_.substr(0, end), word_);
  words_.remove_prefix(end);
  const size_t bytes = word_.size();
  if (bytes > kLongBytes && parts_.bpe.is_ordered()) {
    long_word_.emplace(parts_.bpe, std::move(word_), options_.max_ids - count);
  } else {
    word_ids_.clear();
    parts_.bpe.encode(word_, word_ids_);
    take(word_ids_);
  }
  return bytes;
}

void Encoding::State::add(const AddedToken& token) {
  const bool refuses = options_.control_tokens == ControlTokens::refuse && is_control(token);
  if (refuses || token.id >= parts_.rows) {
    refused = {token.id, token.content};
    return;
  }
  word_ids_ = {token.id};
  take(word_ids_);
}

void Encoding::State::take(const std::vector<uint32_t>& word) {
  const size_t taken = std::min(word.size(), options_.max_ids - count);
  if (options_.keep_ids)
    ids.insert(ids.end(), word.begin(), word.begin() + static_cast<std::ptrdiff_t>(taken));
  count += taken;
}

Encoding::Encoding(std::shared_ptr<const Tokenizer> tokenizer, std::u16string text,
                   const EncodeOptions& options)
    : state_(std::make_unique<State>(std::move(tokenizer), std::move(text), options)) {}
Encoding::~Encoding() = default;
Encoding::Encoding(Encoding&&) noexcept = default;

bool Encoding::step() { return state_->step(); }
const std::vector<uint32_t>& Encoding::ids() const { return state_->ids; }
size_t Encoding::count() const { return state_->count; }
std::optional<Encoding::Refused> Encoding::refused() const { return state_->refused; }

}  // namespace qwen3
