#include "backends.h"

#include <cstring>

#include "reference_backend.h"

namespace qwen3::test {

std::vector<BackendEntry> all_backends() {
  const auto copy = [](void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); };
  std::vector<BackendEntry> entries{{"reference", {open_reference_backend}, copy}};
  return entries;
}

}  // namespace qwen3::test
