// Keeps this library in memory until the process ends.
#pragma once

namespace qwen3 {

// Node unloads an addon that only a worker had loaded when that worker ends, while the engine thread still runs in it.
void keep_loaded();

}  // namespace qwen3
