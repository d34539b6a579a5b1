#include "tokenizer/tokenizer.h"

#include "error.h"
#include "tokenizer/file/show.h"
#include "tokenizer/tokenizer_parts.h"

namespace qwen3 {
namespace {

// Bytes of all added tokens together, so that the automaton that finds them is small.
constexpr size_t kMaxAddedBytes = size_t{1} << 20;

void refuse_many(const std::vector<AddedToken>& tokens) {
  size_t bytes = 0;
  for (const AddedToken& token : tokens) bytes += token.content.size();
  if (bytes > kMaxAddedBytes)
    throw Error(ErrorCode::model_unsupported,
                "its added tokens have " + std::to_string(bytes) + " bytes; at most " +
                    std::to_string(kMaxAddedBytes) + " are supported");
}

uint32_t id_of(std::string_view token, const std::vector<AddedToken>& added,
               const Vocabulary& vocabulary) {
  for (const AddedToken& each : added) {
    if (each.content == token) return each.id;
  }
  const uint32_t id = vocabulary.find(token);
  if (id == TokenTable::kNone)
    throw Error(ErrorCode::model_invalid, "it has no token " + quoted(token));
  return id;
}

}  // namespace

Tokenizer::Parts::Parts(std::vector<AddedToken> tokens, Vocabulary vocabulary)
    : added(std::move(tokens)),
      all(added, true),
      without_control(added, false),
      bpe(std::move(vocabulary.table), vocabulary.merges) {}

Tokenizer::Tokenizer(std::string_view json, uint32_t rows, std::string_view end_token) {
  TokenizerFile file = read_tokenizer_file(json);
  refuse_many(file.added);
  Vocabulary vocabulary(file, rows);
  std::vector<AddedToken> added = checked_added_tokens(file, vocabulary);
  const bool appends = file.before.empty() && file.after.empty() && !end_token.empty();
  if (appends) file.after.push_back(id_of(end_token, added, vocabulary));
  for (const auto* ids : {&file.before, &file.after}) {
    for (const uint32_t id : *ids) {
      if (id >= rows)
        throw Error(ErrorCode::model_invalid, "its template adds the token id " +
                                                  std::to_string(id) + ", but the model has " +
                                                  std::to_string(rows) + " tokens");
    }
  }
  auto parts = std::make_unique<Parts>(std::move(added), std::move(vocabulary));
  parts->before = std::move(file.before);
  parts->after = std::move(file.after);
  parts->appends_end_token = appends;
  parts->rows = rows;
  parts_ = std::move(parts);
}

Tokenizer::~Tokenizer() = default;

const std::vector<uint32_t>& Tokenizer::before() const { return parts_->before; }
const std::vector<uint32_t>& Tokenizer::after() const { return parts_->after; }
bool Tokenizer::appends_end_token() const { return parts_->appends_end_token; }

}  // namespace qwen3
