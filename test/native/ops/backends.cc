#include "ops/backends.h"

#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "reference/reference_backend.h"

namespace qwen3::test {
namespace {

void copy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

}  // namespace

BackendEntry reference_entry() { return {"reference", {open_reference_backend}, copy}; }

BackendEntry cpu_entry(Isa isa, DType weights) {
  const auto open = [=](uint32_t threads) {
    return [=] {
      return open_cpu_backend(isa, weights, {std::make_shared<ThreadPool>(), threads});
    };
  };
  const char* dtype = weights == DType::f32 ? "f32" : "bf16";
  return {std::string("cpu ") + to_string(isa) + ' ' + dtype, {open(1), open(3)}, copy};
}

std::vector<BackendEntry> cpu_entries(const std::vector<Isa>& isas) {
  std::vector<BackendEntry> entries;
  for (const Isa isa : isas) {
    for (const DType weights : {DType::f32, DType::bf16})
      entries.push_back(cpu_entry(isa, weights));
  }
  return entries;
}

std::vector<BackendEntry> all_backends() {
  std::vector<BackendEntry> entries = cpu_entries(available_isas());
  entries.insert(entries.begin(), reference_entry());
  return entries;
}

}  // namespace qwen3::test
