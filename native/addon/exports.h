// Functions exported to JavaScript. lib/addon/types.ts has their types and descriptions.
#pragma once
#include <napi.h>

namespace qwen3::addon {

Napi::Value Load(const Napi::CallbackInfo& info);
void Unload(const Napi::CallbackInfo& info);
Napi::Value Embed(const Napi::CallbackInfo& info);
void AddTexts(const Napi::CallbackInfo& info);
void Submit(const Napi::CallbackInfo& info);
Napi::Value OpenTokenizer(const Napi::CallbackInfo& info);
void CloseTokenizer(const Napi::CallbackInfo& info);
Napi::Value TokenizeTexts(const Napi::CallbackInfo& info);
Napi::Value AddressOf(const Napi::CallbackInfo& info);
Napi::Value LastPooledAddress(const Napi::CallbackInfo& info);

}  // namespace qwen3::addon
