#include "addon/process.h"

namespace qwen3::addon {

// Never destroyed, because their threads may be running when the process exits.
Engine& engine() {
  static auto* const instance = new Engine;
  return *instance;
}
Loader& loader() {
  static auto* const instance = new Loader;
  return *instance;
}

}  // namespace qwen3::addon
