// The op and forward tests of test/native on the CUDA backend on the emulated device, and the tests
// of test/cuda.
#include <algorithm>
#include <functional>
#include <memory>
#include <string_view>

#include "cuda_tests.h"
#include "emulated_backend.h"
#include "models/model_tests.h"
#include "ops/op_tests.h"

namespace qwen3::test {
namespace {

enum class Plan { large, small };

// How a variant of the backend is opened.
struct Variant {
  uint64_t seed;
  int multiprocessors;
  uint32_t batch_tokens;
  bool invariant;
  const char* tuning;
};

std::function<std::unique_ptr<Backend>()> opener(DType input, int capability, const Variant& v) {
  return emulated_opener(input, v.batch_tokens, v.invariant, v.multiprocessors, v.tuning,
                         capability, v.seed);
}

// Variants differ in the order in which threads run, in the number of multiprocessors, on which the
// choice of tiles depends, and in what selects the plan (batch size or tuning). None may change a
// bit.
BackendEntry entry(const char* name, DType input, Plan plan, int capability = 80,
                   const char* tuning = "") {
  const bool small = plan == Plan::small;
  const Variant first{0, 1, small ? 1u : 10'000u, false, tuning},
      last{2, 132, small ? 64u : 1u, !small, tuning};
  return {name,
          {opener(input, capability, first), opener(input, capability, last)},
          emulator::read,
          true};
}

BackendEntry hopper(const char* name, DType input, Plan plan = Plan::large) {
  return entry(name, input, plan, 90);
}

// Forces Hopper's tile forms where they would not be chosen: the last variant has one form, the
// first one the other.
BackendEntry forced(const char* name, DType input, const char* last, const char* first) {
  return {name,
          {opener(input, 90, {0, 1, 10'000, false, first}),
           opener(input, 90, {2, 132, 10'000, false, last})},
          emulator::read,
          true};
}

void add_named(Tests& to, const Tests& from, const std::string& part) {
  std::copy_if(from.begin(), from.end(), std::back_inserter(to),
               [&](const Test& test) { return test.name.find(part) != test.name.npos; });
}

}  // namespace
}  // namespace qwen3::test

// --all, as the first argument, adds the tests that take minutes.
int main(int argc, char** argv) {
  using namespace qwen3::test;
  using qwen3::DType;
  const bool all = argc > 1 && std::string_view(argv[1]) == "--all";
  const BackendEntry bf16 = entry("cuda bf16", DType::bf16, Plan::large);
  const BackendEntry f16 = entry("cuda f16", DType::f16, Plan::large);
  const BackendEntry int8 = entry("cuda int8", DType::s8, Plan::large);
  Tests tests, attention, forward;
  add_cuda_tests(tests);
  add_op_tests(tests, bf16);
  add_linear_tests(tests, f16);
  add_weight_tests(tests, int8);
  add_linear_tests(tests, int8);
  add_row_op_tests(tests, int8);
  // Attention neither reads nor writes int8. The small plan has other kernels for the linear ops;
  // it is tested in bf16 below.
  add_linear_tests(tests, entry("cuda int8, small plan", DType::s8, Plan::small));
  const BackendEntry hopper_bf16 = hopper("hopper bf16", DType::bf16);
  const BackendEntry hopper_f16 = hopper("hopper f16", DType::f16);
  for (const BackendEntry& each : {hopper_bf16, hopper_f16, hopper("hopper int8", DType::s8)}) {
    add_linear_tests(tests, each);
  }
  add_linear_tests(tests,
                   forced("hopper bf16, wide tiles", DType::bf16, "tile=wide", "tile=narrow"));
  add_linear_tests(tests,
                   forced("hopper int8, narrow tiles", DType::s8, "tile=narrow", "tile=wide"));
  // As many split-K partials as there are steps, for weights of any size.
  for (const DType input : {DType::bf16, DType::s8}) {
    constexpr const char* kBounds =
        "split_k_rows=1,split_k_tiles=1000000,split_k_blocks=1024,split_k_steps=1";
    const char* name =
        input == DType::s8 ? "cuda int8, small partials" : "cuda bf16, small partials";
    Tests small;
    add_linear_tests(small, entry(name, input, Plan::small, 80, kBounds));
    add_named(tests, small, "ragged shapes");
    add_named(tests, small, "NaN and infinity");
  }
  add_attention_tests(tests, hopper_bf16);
  add_attention_tests(attention, hopper_f16);
  add_named(tests, attention, all ? "" : "one text of any length");
  add_linear_tests(tests, hopper("hopper bf16, small plan", DType::bf16, Plan::small));
  add_row_op_tests(tests, hopper("hopper int8, small plan", DType::s8, Plan::small));
  for (const BackendEntry& each : {bf16, f16, int8, hopper_bf16}) add_forward_tests(forward, each);
  add_named(tests, forward, all ? "" : "agrees with the reference");
  return run_tests(tests, argc - all, argv + all);
}
