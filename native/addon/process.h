// The engine and the loader, one per process: the main thread and all workers share them.
#pragma once
#include "engine/engine.h"
#include "engine/loader.h"

namespace qwen3::addon {

Engine& engine();
Loader& loader();

}  // namespace qwen3::addon
