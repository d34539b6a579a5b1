// The list of backends that the op tests run on. A new backend is one more entry in backends.cc.
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
  // Variants, which must all compute the same bits. CPU variants differ in their number of threads.
  std::vector<std::function<std::unique_ptr<Backend>()>> open;
  // Copies from the backend's memory to the host. Only tests need it.
  std::function<void(void* to, const void* from, size_t bytes)> download;
  // Ops take a thousand times as long, so tests repeat less.
  bool emulated = false;
};

BackendEntry reference_entry();
// On 1 and on 3 threads.
BackendEntry cpu_entry(Isa isa, DType weights);
// Entries with f32 and with bf16 weights for each instruction set.
std::vector<BackendEntry> cpu_entries(const std::vector<Isa>& isas);

// All backends that this machine can run.
std::vector<BackendEntry> all_backends();

}  // namespace qwen3::test
