// What only CPU backends have: instruction sets, packed weights, threads.
#include <algorithm>
#include <array>
#include <ctime>

#include "cpu/thread_pool.h"
#include "ops/number.h"
#include "ops/op_tests.h"
#include "random.h"

namespace qwen3::test {
namespace {

struct Names {
  Isa isa;
  const char *word, *kernels;
};
constexpr std::array kNames{
    Names{Isa::scalar, "scalar", "scalar"},  Names{Isa::avx2, "avx2", "AVX2"},
    Names{Isa::avx512, "avx512", "AVX-512"}, Names{Isa::avx512bf16, "avx512bf16", "AVX-512 BF16"},
    Names{Isa::neon, "neon", "NEON"},        Names{Isa::neonbf16, "neonbf16", "NEON BF16"}};

void finds_the_best_instruction_set() {
  const std::vector<Isa> isas = available_isas();
  expect(isas[0] == Isa::scalar, "there are no scalar kernels");
  expect(std::is_sorted(isas.begin(), isas.end()) && best_isa() == isas.back(),
         "the best instruction set is not the last");
#if defined(__x86_64__) && defined(__GNUC__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  expect((std::count(isas.begin(), isas.end(), Isa::avx2) == 1) == avx2,
         "AVX2 is not found, or not there");
#endif
}

// Another set's kernels would pass the tests of the ops, but be slower or need more memory.
void runs_its_own_kernels(Isa isa, DType weights) {
  const Names& names = kNames[static_cast<size_t>(isa)];
  expect(
      names.isa == isa && to_string(isa) == std::string(names.word) && parse_isa(names.word) == isa,
      std::string("the name is ") + to_string(isa) + ", not " + names.word);
  // f32 weights do not use BF16 instructions.
  const bool computes_bf16 =
      weights == DType::bf16 && (isa == Isa::avx512bf16 || isa == Isa::neonbf16);
  const bool has_bf16 = isa == Isa::avx512bf16 || isa == Isa::neonbf16;
  const Names& wanted = kNames[static_cast<size_t>(isa) - (has_bf16 && !computes_bf16)];
  const Device device(cpu_entry(isa, weights), 0);
  const std::string kernels = device.backend.traits().instruction_set;
  expect(kernels == wanted.kernels, "the kernels are for " + kernels + ", not " + wanted.kernels);
  const DType input = computes_bf16 ? DType::bf16 : DType::f32;
  expect(device.normed == input && device.input == input, "inputs have the wrong dtype");
  expect(device.backend.weight_layout(WeightUse::linear, 1, 1, DType::f32).dtype == weights,
         "weights have the wrong dtype");
}

// All of a packed weight but its values is zero: columns after the last row, depths after the last
// column. Otherwise results that nobody reads might be computed from subnormal numbers, slowly.
void zeros_pad_panels(Device& device) {
  for (const WeightUse use : {WeightUse::linear, WeightUse::gate_up}) {
    for (const uint32_t cols : {1u, 65u, 70u}) {
      for (const uint32_t piece : {UINT32_MAX, 1u, 9u}) {
        constexpr uint32_t kRows = 38;
        const std::vector<float> ones(size_t{kRows} * cols, 1);
        const StoredWeight weight(device, use, kRows, cols, ones, piece);
        const std::vector<unsigned char> bytes = weight.read();
        const size_t size = bytes_of(Matrix(weight).dtype);
        size_t values = 0;
        for (size_t i = 0; i < bytes.size(); i += size)
          values +=
              std::any_of(&bytes[i], &bytes[i] + size, [](unsigned char b) { return b != 0; });
        expect(values == ones.size(), std::to_string(values) + " values in a panel are not zero, " +
                                          std::to_string(ones.size()) + " are stored, pieces of " +
                                          std::to_string(piece));
      }
    }
  }
}

// linear with small integers, so that the results are exact.
void expect_linear(Device& device) {
  constexpr uint32_t kRows = 200, kCols = 300, kOutputs = 600;
  std::vector<float> in_values, weights, wanted;
  const auto value = [](uint32_t row) { return static_cast<float>(row % 7); };
  for (uint32_t r = 0; r < kRows; ++r) {
    in_values.insert(in_values.end(), kCols, value(r));
    for (uint32_t m = 0; m < kOutputs; ++m) wanted.push_back(kCols * value(r) * value(m));
  }
  for (uint32_t m = 0; m < kOutputs; ++m) weights.insert(weights.end(), kCols, value(m));
  const GuardedMatrix in(device, kRows, kCols, 3, device.normed, &in_values);
  const StoredWeight weight(device, WeightUse::linear, kOutputs, kCols, weights);
  const GuardedMatrix out(device, kRows, kOutputs, 3, device.output);
  device.backend.linear(in, weight, out);
  device.sync();
  weight.check();
  expect_same_bits(in.read(), in_values, kCols, "the input, which must not change");
  expect_same_bits(out.read(), wanted, kOutputs, "linear");
}

// Each thread needs scratch memory of its own.
void computes_on_more_threads_than_at_first() {
  constexpr uint32_t kThreads = 5;
  const auto pool = std::make_shared<ThreadPool>();
  pool->reserve(kThreads);
  BackendEntry entry = cpu_entry(Isa::scalar, DType::f32);
  entry.open = {[&] { return open_cpu_backend(Isa::scalar, DType::f32, {pool, 1}); }};
  Device device(entry, 0);
  for (const uint32_t threads : {1u, 2u, kThreads, 1u, kThreads}) {
    device.backend.limit_threads(threads);
    expect_linear(device);
  }
  expect(device.backend.traits().threads == 1, "a limit has changed the backend's traits");
}

#ifdef __linux__
double seconds_of(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// With a limit of one, the thread that calls computes all of it. New threads spin for a moment.
void one_thread_is_the_callers() {
  Device device(cpu_entry(Isa::scalar, DType::f32), 1);
  device.backend.limit_threads(1);
  const double process = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  const double caller = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < 4; ++i) expect_linear(device);
  const double all = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - process;
  const double others = all - (seconds_of(CLOCK_THREAD_CPUTIME_ID) - caller);
  expect(others < 0.05 * all, "other threads had " + std::to_string(others) + " s of " +
                                  std::to_string(all) + " s of CPU time");
}
#endif

}  // namespace

void add_cpu_backend_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"cpu: finds the best instruction set", finds_the_best_instruction_set},
       {"cpu: computes on more threads than at first", computes_on_more_threads_than_at_first}});
#ifdef __linux__
  tests.push_back({"cpu: one thread is the caller's", one_thread_is_the_callers});
#endif
}

void add_instruction_set_tests(Tests& tests, const std::vector<Isa>& isas,
                               const std::string& prefix) {
  for (const Isa isa : isas) {
    for (const DType weights : {DType::f32, DType::bf16}) {
      BackendEntry entry = cpu_entry(isa, weights);
      entry.name = prefix + entry.name;
      tests.push_back(
          {entry.name + ": runs its own kernels", [=] { runs_its_own_kernels(isa, weights); }});
      add_on_last_variant(tests, entry, "store_weight: zeros pad panels", zeros_pad_panels);
    }
  }
}

}  // namespace qwen3::test
