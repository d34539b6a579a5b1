// The exports openTokenizer, closeTokenizer and tokenize.
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/exports.h"
#include "addon/process.h"
#include "error.h"

namespace qwen3::addon {
namespace {

// Submits a task. When it has finished, its promise resolves with result(environment, task), which
// runs on the environment's thread.
template <typename Task, typename Result>
Napi::Object start(Environment& here, TextWorker& worker, const std::shared_ptr<Task>& task,
                   const Result& result) {
  const uint32_t ticket =
      here.add({.promise = Napi::Promise::Deferred::New(here.env), .text_task = task});
  task->finish = [link = here.link, ticket, result](std::exception_ptr failure) {
    link->post([=](Environment& there) {
      there.settle(ticket, [&](const Pending& work) {
        if (failure) std::rethrow_exception(failure);
        return result(there, static_cast<Task&>(*work.text_task));
      });
    });
  };
  try {
    worker.submit(task);
  } catch (...) {
    here.take(ticket);
    throw;
  }
  return pending_object(here, ticket);
}

Napi::Object opened(Environment& there, const ReadTokenizer& task) {
  Napi::Object result = Napi::Object::New(there.env);
  result.Set("tokenizer", there.next_tokenizer);
  result.Set("appendsEndToken", task.tokenizer->appends_end_token());
  there.tokenizers.emplace(there.next_tokenizer++, task.tokenizer);
  return result;
}

Napi::Object tokenized(Environment& there, const Tokenize& task) {
  Napi::Object result = Napi::Object::New(there.env);
  result.Set("ids", array_of(there.env, task.ids));
  result.Set("lengths", array_of(there.env, task.lengths));
  if (task.refused) {
    Napi::Object refused = Napi::Object::New(there.env);
    refused.Set("id", task.refused->id);
    refused.Set("content", task.refused->content);
    result.Set("refused", refused);
  }
  return result;
}

// `prefix` and a JavaScript string, whose lone surrogates are kept.
std::u16string prefixed(const std::u16string& prefix, const Napi::Value& value) {
  if (!value.IsString()) throw std::invalid_argument("a text is not a string");
  size_t length = 0;
  const napi_env env = value.Env();
  if (napi_get_value_string_utf16(env, value, nullptr, 0, &length) != napi_ok)
    throw std::invalid_argument("a text cannot be read");
  std::u16string text;
  text.reserve(prefix.size() + length + 1);
  text = prefix;
  text.resize(prefix.size() + length + 1);  // Node-API writes a final 0
  if (napi_get_value_string_utf16(env, value, text.data() + prefix.size(), length + 1, &length) !=
      napi_ok)
    throw std::invalid_argument("a text cannot be read");
  text.resize(prefix.size() + length);
  return text;
}

ControlTokens control_tokens(const std::string& word) {
  if (word == "parse") return ControlTokens::parse;
  if (word == "text") return ControlTokens::as_text;
  if (word == "error") return ControlTokens::refuse;
  throw std::invalid_argument("unknown specialTokens");
}

}  // namespace

Napi::Value OpenTokenizer(const Napi::CallbackInfo& info) {
  const auto rows = static_cast<uint32_t>(integer(info[1], "vocabulary", 1, UINT32_MAX));
  return start(
      environment_of(info), file_worker(),
      std::make_shared<ReadTokenizer>(text(info[0], "path"), rows, text(info[2], "endToken")),
      opened);
}

void CloseTokenizer(const Napi::CallbackInfo& info) {
  environment_of(info).tokenizers.erase(
      static_cast<uint32_t>(integer(info[0], "tokenizer", 0, UINT32_MAX)));
}

Napi::Value TokenizeTexts(const Napi::CallbackInfo& info) {
  Environment& here = environment_of(info);
  const auto found =
      here.tokenizers.find(static_cast<uint32_t>(integer(info[0], "tokenizer", 0, UINT32_MAX)));
  if (found == here.tokenizers.end()) throw Error(ErrorCode::closed, "the tokenizer is closed");
  const std::u16string prefix = prefixed({}, info[1]);
  const Napi::Object list = object(info[2], "texts");
  std::vector<std::u16string> texts;
  for (uint32_t i = 0; list.Has(i); ++i) texts.push_back(prefixed(prefix, list.Get(i)));
  if (texts.empty()) throw std::invalid_argument("texts are missing");
  const Napi::Object options = object(info[3], "options");
  const TokenizeOptions wanted{
      .control_tokens = control_tokens(text(options.Get("specialTokens"), "specialTokens")),
      .max_tokens =
          static_cast<uint32_t>(integer(options.Get("maxTokens"), "maxTokens", 1, UINT32_MAX)),
      .truncate = options.Get("truncate").ToBoolean(),
      .keep_ids = options.Get("keepIds").ToBoolean()};
  return start(here, text_worker(),
               std::make_shared<Tokenize>(found->second, std::move(texts), wanted), tokenized);
}

}  // namespace qwen3::addon
