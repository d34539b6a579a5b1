// What belongs to the process, whoever loads the addon in it: the main thread, workers.
#pragma once
#include "engine/engine.h"
#include "engine/loader.h"

namespace qwen3::addon {

Engine& engine();
Loader& loader();

}  // namespace qwen3::addon
