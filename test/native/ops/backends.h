// The backends that the op tests run on: the one list. A new backend is one more entry in backends.cc.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cpu/cpu_backend.h"

namespace qwen3::test {

struct BackendEntry {
  std::string name;
  // All of them must give the same bits: they differ in their number of threads only.
  std::vector<std::function<std::unique_ptr<Backend>()>> open;
  // Reads the backend's memory; what the ops never need and tests do.
  std::function<void(void* to, const void* from, size_t bytes)> download;
  bool emulated = false;  // ops take a thousand times as long: tests repeat less
};

BackendEntry reference_entry();
// f32 and bf16 weights for each, on 1 and on 3 threads.
std::vector<BackendEntry> cpu_entries(const std::vector<Isa>& isas);

// Everything that this machine runs.
std::vector<BackendEntry> all_backends();

}  // namespace qwen3::test
