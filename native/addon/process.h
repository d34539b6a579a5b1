// The engine, the loader and the text workers, one of each per process: the main thread and all
// workers share them. Each starts its thread at first use. The functions throw
// Error(device_unavailable) if the system allows no more threads.
#pragma once
#include "engine/engine.h"
#include "engine/loader.h"
#include "engine/text_worker.h"

namespace qwen3::addon {

Engine& engine();
Loader& loader();
TextWorker& text_worker();
// For tokenizer files, so that no text waits for one.
TextWorker& file_worker();

}  // namespace qwen3::addon
