// Parses QWEN3_EMBED_CUDA_TUNING. No value within the ranges leads to a wrong result.
#include <charconv>
#include <cstdio>
#include <utility>
#include <variant>

#include "kernels.h"
#include "tuning.h"

namespace qwen3::cuda {
namespace {

struct Number {
  std::string_view name;
  std::variant<double Tuning::*, uint32_t Tuning::*> field;
  uint32_t low, high;
};

constexpr Number kNumbers[] = {
    {"narrow_step", &Tuning::narrow_step, 0, 100},
    {"epilogue_store", &Tuning::epilogue_store, 0, 10'000},
    {"epilogue_add", &Tuning::epilogue_add, 0, 10'000},
    {"epilogue_swiglu", &Tuning::epilogue_swiglu, 0, 10'000},
    {"epilogue_int8", &Tuning::epilogue_int8, 0, 10'000},
    {"small_tokens", &Tuning::small_tokens, 0, kSmallBatchTokens},
    {"split_k_rows", &Tuning::split_k_rows, 1, 1'000'000},
    {"split_k_tiles", &Tuning::split_k_tiles, 1, 1'000'000},
    {"split_k_blocks", &Tuning::split_k_blocks, 1, 1024},
    {"split_k_steps", &Tuning::split_k_steps, 1, 1'000'000},
};

constexpr std::pair<std::string_view, TileForm> kTiles[] = {
    {"auto", TileForm::automatic}, {"wide", TileForm::wide}, {"narrow", TileForm::narrow}};

// The text before and after the first `mark`. Uses neither substr, which may throw, nor
// std::from_chars of double: both would link parts of libstdc++ that need a newer glibc.
struct Halves {
  std::string_view before, after;
  bool has_mark;
};

Halves split(std::string_view text, char mark) {
  const size_t at = text.find(mark);
  if (at == text.npos) return {text, {}, false};
  return {{text.data(), at}, {text.data() + at + 1, text.size() - at - 1}, true};
}

bool parse(std::string_view text, uint32_t* value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stop == end;
}

// "1.25", with at most six decimals.
bool parse(std::string_view text, double* value) {
  const Halves halves = split(text, '.');
  uint32_t whole, decimals = 0, unit = 1;
  if (!parse(halves.before, &whole)) return false;
  if (halves.has_mark) {
    if (halves.after.size() > 6 || !parse(halves.after, &decimals)) return false;
    for (size_t i = 0; i < halves.after.size(); ++i) unit *= 10;
  }
  *value = whole + static_cast<double>(decimals) / unit;
  return true;
}

template <typename T>
bool set_number(std::string_view text, const Number& number, T* to) {
  T value;
  if (!parse(text, &value) || value < number.low || value > number.high) return false;
  *to = value;
  return true;
}

// Parses one NAME=VALUE.
bool parse_word(std::string_view word, Tuning* tuning) {
  const auto [name, value, has_value] = split(word, '=');
  if (!has_value) return false;
  if (name == "tile") {
    for (const auto& [form_name, form] : kTiles) {
      if (value != form_name) continue;
      tuning->tile = form;
      return true;
    }
  }
  for (const Number& number : kNumbers) {
    if (name != number.name) continue;
    return std::visit(
        [&, text = value](auto field) { return set_number(text, number, &(tuning->*field)); },
        number.field);
  }
  return false;
}

void explain(std::string_view word, char* message, size_t message_bytes) {
  constexpr size_t kMostShown = 40;
  const auto shown = static_cast<int>(word.size() < kMostShown ? word.size() : kMostShown);
  size_t used = 0;
  const auto write = [&](const char* format, auto... arguments) {
    if (used < message_bytes) {
      used += static_cast<size_t>(
          std::snprintf(message + used, message_bytes - used, format, arguments...));
    }
  };
  write("QWEN3_EMBED_CUDA_TUNING must be a list of NAME=VALUE with commas, but has '%.*s'. Names: ",
        shown, word.data());
  write("tile=auto, wide or narrow");
  for (const Number& number : kNumbers) {
    write("; %.*s=%u to %u", static_cast<int>(number.name.size()), number.name.data(), number.low,
          number.high);
  }
}

}  // namespace

bool parse_tuning(std::string_view words, Tuning* tuning, char* message, size_t message_bytes) {
  while (!words.empty()) {
    const Halves halves = split(words, ',');
    if (!parse_word(halves.before, tuning)) {
      explain(halves.before, message, message_bytes);
      return false;
    }
    words = halves.after;
  }
  return true;
}

}  // namespace qwen3::cuda
