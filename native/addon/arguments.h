// Conversion of the exports' arguments and results. lib/ has checked arguments already; these
// checks prevent a bug there from corrupting memory here. They throw std::invalid_argument with the
// argument's name.
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/model_source.h"

namespace qwen3::addon {

constexpr double kMaxWidth = 1 << 20;  // columns of a tensor, tokens of a batch
constexpr double kMaxThreads = 1024;   // of the CPU, or multiprocessors of a GPU

// An integer from `low` to `high`.
uint64_t integer(const Napi::Value& value, const char* name, double low, double high);
Napi::Object object(const Napi::Value& value, const char* name);
std::string text(const Napi::Value& value, const char* name);
// A copy of a Uint32Array.
std::vector<uint32_t> integers(const Napi::Value& value, const char* name);
// A Float32Array of `length` values.
Napi::Float32Array floats(const Napi::Value& value, const char* name, size_t length);
ModelSource model_source(const Napi::Object& from);
// A Uint32Array with a copy of the values.
Napi::Uint32Array array_of(Napi::Env env, const std::vector<uint32_t>& values);

}  // namespace qwen3::addon
