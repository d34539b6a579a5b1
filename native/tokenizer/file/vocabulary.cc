#include "tokenizer/file/vocabulary.h"

#include <algorithm>
#include <optional>
#include <set>

#include "error.h"
#include "tokenizer/file/byte_level.h"
#include "tokenizer/file/show.h"

namespace qwen3 {
namespace {

// Ids without a token, beside three for each one that has one.
constexpr uint32_t kMaxUnused = 1 << 20;

[[noreturn]] void invalid(const std::string& what) { throw Error(ErrorCode::model_invalid, what); }

uint32_t id_limit(const TokenizerFile& file, uint32_t rows) {
  uint32_t limit = 0;
  for (const auto& [token, id] : file.vocabulary) {
    if (id >= rows)
      invalid("its token " + quoted(token) + " has the id " + std::to_string(id) +
              ", but the model has " + std::to_string(rows) + " tokens");
    limit = std::max(limit, id + 1);
  }
  // Tables have a place for every id.
  if (limit > 4 * file.vocabulary.size() + kMaxUnused)
    throw Error(ErrorCode::model_unsupported,
                "its vocabulary has " + std::to_string(file.vocabulary.size()) +
                    " tokens with ids up to " + std::to_string(limit - 1));
  return limit;
}

}  // namespace

Vocabulary::Vocabulary(const TokenizerFile& file, uint32_t rows)
    : table(file.vocabulary.size(), id_limit(file, rows)) {
  for (const auto& [token, id] : file.vocabulary) {
    const std::optional<std::string> bytes = bytes_of(token);
    const bool added = bytes ? table.add(*bytes, id)
                             : others.emplace(token, id).second && other_ids.insert(id).second;
    if (!added)
      invalid("its vocabulary has " + quoted(token) + " or the id " + std::to_string(id) +
              " twice");
  }
  for (const uint32_t id : other_ids) {
    if (table.has(id)) invalid("its vocabulary has the id " + std::to_string(id) + " twice");
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (table.find({&c, 1}) == TokenTable::kNone)
      throw Error(ErrorCode::model_unsupported,
                  "its vocabulary has no token for the byte " + std::to_string(byte));
  }
  const auto part = [&](const std::string& token) {
    const uint32_t id = find(token);
    if (id == TokenTable::kNone)
      invalid("a merge has " + quoted(token) + ", which is not in its vocabulary");
    return id;
  };
  merges.reserve(file.merges.size());
  for (const auto& [left, right] : file.merges)
    merges.push_back({part(left), part(right), part(left + right)});
}

uint32_t Vocabulary::find(std::string_view token) const {
  if (const std::optional<std::string> bytes = bytes_of(token)) return table.find(*bytes);
  const auto found = others.find(token);
  return found == others.end() ? TokenTable::kNone : found->second;
}

std::vector<AddedToken> checked_added_tokens(const TokenizerFile& file,
                                             const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  std::set<std::string_view> contents;
  auto next = static_cast<uint32_t>(file.vocabulary.size());
  for (const AddedToken& token : file.added) {
    if (token.content.empty()) continue;  // Hugging Face ignores it
    if (!contents.insert(token.content).second)
      invalid("its added token " + quoted(token.content) + " is given twice");
    const uint32_t known = vocabulary.find(token.content);
    const uint32_t id = known == TokenTable::kNone ? next++ : known;
    if (token.id != id)
      invalid("its added token " + quoted(token.content) + " has the id " +
              std::to_string(token.id) + ", but " +
              (id == known ? "its vocabulary has " : "the next id is ") + std::to_string(id));
    if (id != known && vocabulary.has(id))
      invalid("its added token " + quoted(token.content) + " has the id " + std::to_string(id) +
              ", which its vocabulary has for another token");
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace qwen3
