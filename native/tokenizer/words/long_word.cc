#include "tokenizer/words/long_word.h"

#include <algorithm>
#include <string_view>

namespace qwen3 {

LongWord::LongWord(const Bpe& bpe, std::string word, size_t max_ids, size_t window)
    : bpe_(bpe), word_(std::move(word)), max_ids_(max_ids), next_check_(max_ids), window_(window) {}

bool LongWord::step() {
  const std::string_view rest = std::string_view(word_).substr(encoded_);
  new_ids_.clear();
  bpe_.encode(rest.substr(0, window_), new_ids_);
  if (!ids_.empty() && !bpe_.is_border(ids_.back(), new_ids_.front())) return go_back(), true;
  if (rest.size() <= window_) {
    ids_.insert(ids_.end(), new_ids_.begin(), new_ids_.end());
    return false;
  }
  // The last ids depend on what comes after the window.
  const size_t limit = window_ * 7 / 8;
  size_t bytes = 0;
  auto end = new_ids_.begin();
  while (bytes + bpe_.length(*end) <= limit) bytes += bpe_.length(*end++);
  if (end == new_ids_.begin()) {
    window_ *= 2;
    return true;
  }
  ids_.insert(ids_.end(), new_ids_.begin(), end);
  encoded_ += bytes;
  return !are_final();
}

// There is no border at encoded_. Windows that do not become larger might go back again and again.
void LongWord::go_back() {
  size_t bytes = 0;
  while (bytes < window_ / 2 && !ids_.empty()) {
    bytes += bpe_.length(ids_.back());
    ids_.pop_back();
  }
  encoded_ -= bytes;
  window_ *= 2;
}

// Whether the first max_ids ids are the same, however the word continues after encoded_.
bool LongWord::are_final() {
  if (ids_.size() < next_check_) return false;
  next_check_ = ids_.size() * 2;
  // However it continues, the word has a border at one of the last places, as many as a token has
  // bytes. If the ids are the same when it ends at any of these places, they are final.
  const size_t longest = bpe_.longest();
  if (longest > kWindow / 4) return false;  // that would take long
  size_t border = encoded_, count = ids_.size();
  while (count > max_ids_ && encoded_ - border < 2 * longest) border -= bpe_.length(ids_[--count]);
  if (encoded_ - border < longest) return false;
  for (size_t end = encoded_ - longest + 1; end <= encoded_; ++end) {
    new_ids_.clear();
    bpe_.encode(std::string_view(word_).substr(border, end - border), new_ids_);
    if (!bpe_.is_border(ids_[count - 1], new_ids_.front())) return false;
  }
  ids_.resize(max_ids_);
  return true;
}

}  // namespace qwen3
