#include "addon/arguments.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace qwen3::addon {
namespace {

constexpr double kMaxSafeInteger = 9007199254740991;  // Number.MAX_SAFE_INTEGER
constexpr double kMaxRows = 1 << 24;

double number(const Napi::Value& value, const char* name, double low, double high) {
  const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(n >= low && n <= high)) throw std::invalid_argument(std::string(name) + " is out of range");
  return n;
}

template <typename Array>
Array typed_array(const Napi::Value& value, const char* name, napi_typedarray_type type,
                  const char* type_name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    throw std::invalid_argument(std::string(name) + " is not a " + type_name);
  return value.As<Array>();
}

}  // namespace

uint64_t integer(const Napi::Value& value, const char* name, double low, double high) {
  const double n = number(value, name, low, high);
  if (n != std::floor(n)) throw std::invalid_argument(std::string(name) + " is not an integer");
  return static_cast<uint64_t>(n);
}

Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw std::invalid_argument(std::string(name) + " is not an object");
  return value.As<Napi::Object>();
}

std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw std::invalid_argument(std::string(name) + " is not a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<uint32_t> integers(const Napi::Value& value, const char* name) {
  const auto array = typed_array<Napi::Uint32Array>(value, name, napi_uint32_array, "Uint32Array");
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Float32Array floats(const Napi::Value& value, const char* name, size_t length) {
  const auto array =
      typed_array<Napi::Float32Array>(value, name, napi_float32_array, "Float32Array");
  if (array.ElementLength() != length)
    throw std::invalid_argument(std::string(name) + " has " +
                                std::to_string(array.ElementLength()) + " values, not " +
                                std::to_string(length));
  return array;
}

Napi::Uint32Array array_of(Napi::Env env, const std::vector<uint32_t>& values) {
  Napi::Uint32Array array = Napi::Uint32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

namespace {

TensorSource tensor(const Napi::Value& value, const char* name) {
  const Napi::Object from = object(value, name);
  const std::string dtype = text(from.Get("dtype"), "dtype");
  if (dtype != "f32" && dtype != "bf16" && dtype != "f16")
    throw std::invalid_argument("unknown dtype");
  return {static_cast<uint32_t>(integer(from.Get("file"), "file", 0, 1e5)),
          integer(from.Get("offset"), "offset", 0, kMaxSafeInteger),
          integer(from.Get("bytes"), "bytes", 0, kMaxSafeInteger),
          dtype == "f32"    ? DType::f32
          : dtype == "bf16" ? DType::bf16
                            : DType::f16,
          static_cast<uint32_t>(integer(from.Get("rows"), "rows", 1, kMaxRows)),
          static_cast<uint32_t>(integer(from.Get("cols"), "cols", 1, kMaxWidth))};
}

ModelConfig model_config(const Napi::Object& from) {
  const auto get = [&](const char* name, double high) {
    return static_cast<uint32_t>(integer(from.Get(name), name, 1, high));
  };
  const ModelConfig config{get("hidden", 65536),
                           get("intermediate", kMaxWidth),
                           get("layers", 1024),
                           get("queryHeads", 1024),
                           get("keyValueHeads", 1024),
                           get("headDim", 128),
                           get("vocabulary", kMaxRows),
                           get("maxPositions", kMaxWidth),
                           static_cast<float>(number(from.Get("normEps"), "normEps", 0, 1)),
                           number(from.Get("ropeTheta"), "ropeTheta", 1, 1e12)};
  if (config.head_dim != 128) throw std::invalid_argument("headDim is not 128");
  if (config.query_heads % config.key_value_heads != 0)
    throw std::invalid_argument("queryHeads is not a multiple of keyValueHeads");
  return config;
}

}  // namespace

ModelSource model_source(const Napi::Object& from) {
  ModelSource source{model_config(object(from.Get("config"), "config")), {}, {}, {}, {}};
  const Napi::Object files = object(from.Get("files"), "files");
  for (uint32_t i = 0; files.Has(i); ++i) {
    const Napi::Object file = object(files.Get(i), "file");
    source.files.push_back({text(file.Get("path"), "path"), text(file.Get("version"), "version")});
  }
  source.embeddings = tensor(from.Get("embeddings"), "embeddings");
  source.final_norm = tensor(from.Get("finalNorm"), "finalNorm");
  const Napi::Object layers = object(from.Get("layers"), "layers");
  for (uint32_t i = 0; i < source.config.layers; ++i) {
    const Napi::Object layer = object(layers.Get(i), "layer");
    const auto get = [&](const char* name) { return tensor(layer.Get(name), name); };
    source.layers.push_back({get("attentionNorm"), get("query"), get("key"), get("value"),
                             get("queryNorm"), get("keyNorm"), get("attentionOut"), get("mlpNorm"),
                             get("gate"), get("up"), get("down")});
  }
  return source;
}

}  // namespace qwen3::addon
