// The kernels with wgmma and TMA: no tile form and no schedule changes a bit, and each kernel runs
// where it should.
#include "cuda_tests.h"
#include "emulated_backend.h"
#include "ops/guarded.h"
#include "ops/number.h"
#include "ops/paged_attention.h"
#include "random.h"

namespace qwen3::test {
namespace {

// The op that reads weights of this use.
void run_linear(Device& device, WeightUse use, Matrix in, Matrix weight, Matrix out) {
  switch (use) {
    case WeightUse::gate_up: return device.backend.linear_swiglu(in, weight, out);
    case WeightUse::linear_add: return device.backend.linear_add(in, weight, out);
    default: return device.backend.linear(in, weight, out);
  }
}

// All dimensions are ragged, and there are more steps than stages. Here the number of
// multiprocessors decides the tile form: two compute two wide tiles each, three share the eight
// narrow tiles, and of 132 eight compute a narrow tile each.
void hopper_tiles_and_schedules_change_no_bit(DType input, WeightUse use) {
  constexpr uint32_t kRows = 140, kOut = 500, kWideTiles = 4, kNarrowTiles = 8, kProductsOfStep = 8;
  const uint32_t steps = input == DType::s8 ? 15 : 10,
                 in_cols =
                     (steps - 1) * (input == DType::s8 ? 128 : 64) + (input == DType::s8 ? 48 : 24);
  const bool gated = use == WeightUse::gate_up, adds = use == WeightUse::linear_add;
  const uint32_t cols = gated ? kOut / 2 : kOut, gap = (8 - cols % 8) % 8;
  Random random(11);
  const std::vector<float> values = rounded(random.values(size_t{kRows} * in_cols), in_cols, input);
  const std::vector<float> weights = rounded(random.values(size_t{kOut} * in_cols), in_cols, input);
  const std::vector<float> residual = random.values(size_t{kRows} * kOut);
  const auto result = [&](int multiprocessors, uint64_t seed, uint32_t tiles,
                          const std::string& tuning) {
    Device device(emulated_entry(input, kLargeBatch, false, multiprocessors, tuning, kHopper, seed),
                  0);
    const GuardedMatrix in(device, kRows, in_cols, 0, adds ? device.input : input, &values);
    const StoredWeight weight(device, use, kOut, in_cols, weights);
    const GuardedMatrix out(device, kRows, cols, gap,
                            adds    ? DType::f32
                            : gated ? device.input
                                    : device.output,
                            adds ? &residual : nullptr);
    const uint64_t before = emulator::counters.wgmma;
    run_linear(device, use, in, weight, out);
    device.sync();
    expect(emulator::counters.wgmma - before == tiles * steps * kProductsOfStep,
           "unexpected number of products");
    return out.read();
  };
  const std::vector<float> wanted = result(2, 0, kWideTiles, "");
  const auto same = [&](int multiprocessors, uint64_t seed, uint32_t tiles, const char* what,
                        const std::string& tuning = "") {
    expect_same_bits(result(multiprocessors, seed, tiles, tuning), wanted, cols, what);
  };
  same(2, 3, kWideTiles, "wide tiles, threads in random order");
  same(132, 0, kNarrowTiles, "narrow tiles");
  same(3, 1, kNarrowTiles, "narrow tiles in turn, threads in reverse");
  same(3, 4, kNarrowTiles, "narrow tiles in turn, threads in random order");
  same(132, 0, kWideTiles, "wide tiles where narrow ones cost less", "tile=wide");
  same(2, 0, kNarrowTiles, "narrow tiles where wide ones cost less", "tile=narrow");
}

// Two multiprocessors and sums of one step: two rounds of wide tiles, or four of narrow ones.
// Epilogues cost nothing except what each case sets.
void hopper_tiles_are_chosen_by_cost() {
  constexpr uint32_t kRows = 140, kOut = 500, kIn = 32, kWide = 4 * 8, kNarrow = 8 * 8;  // products
  const auto products = [](DType input, WeightUse use, const std::string& tuning) {
    const std::string costs =
        "epilogue_store=0,epilogue_add=0,epilogue_swiglu=0,epilogue_int8=0," + tuning;
    Device device(emulated_entry(input, kLargeBatch, false, 2, costs, kHopper, 0), 0);
    const bool gated = use == WeightUse::gate_up, adds = use == WeightUse::linear_add;
    const uint32_t cols = gated ? kOut / 2 : kOut;
    const std::vector<float> ones(size_t{kRows} * kIn, 1), weights(size_t{kOut} * kIn, 1),
        zeros(size_t{kRows} * cols);
    const GuardedMatrix in(device, kRows, kIn, 0, adds ? device.input : input, &ones);
    const StoredWeight weight(device, use, kOut, kIn, weights);
    const GuardedMatrix out(device, kRows, cols, 8, adds ? DType::f32 : device.input,
                            adds ? &zeros : nullptr);
    const uint64_t before = emulator::counters.wgmma;
    run_linear(device, use, in, weight, out);
    device.sync();
    return emulator::counters.wgmma - before;
  };
  const std::pair<WeightUse, std::string> epilogues[] = {{WeightUse::linear, "epilogue_store=9"},
                                                         {WeightUse::linear_add, "epilogue_add=9"},
                                                         {WeightUse::gate_up, "epilogue_swiglu=9"}};
  for (const auto& [use, own] : epilogues) {
    expect(products(DType::bf16, use, "narrow_step=1") == kNarrow,
           "narrow tiles of equal step cost are not chosen");
    expect(products(DType::bf16, use, "narrow_step=1.1") == kWide,
           "narrow tiles of higher step cost are chosen");
    for (const auto& [other, cost] : epilogues) {
      expect((products(DType::bf16, use, cost) == kNarrow) == (use == other),
             cost + " affects another op, or has no effect");
    }
    expect(products(DType::bf16, use, "epilogue_int8=9") == kWide, "epilogue_int8 affects bf16");
    expect(products(DType::s8, use, "epilogue_int8=9") == kNarrow, "epilogue_int8 has no effect");
  }
}

// Which GEMM runs, by GPU, plan, rows and environment.
void hopper_kernels_are_chosen_where_they_fit() {
  const auto uses_wgmma = [](int capability, uint32_t batch_tokens, uint32_t rows) {
    Device device(emulated_entry(DType::bf16, batch_tokens, false, 4, "", capability, 0), 0);
    constexpr uint32_t kCols = 64;
    const std::vector<float> ones(size_t{rows} * kCols, 1), weights(kCols * kCols, 1);
    const GuardedMatrix in(device, rows, kCols, 0, DType::bf16, &ones);
    const StoredWeight weight(device, WeightUse::linear, kCols, kCols, weights);
    const GuardedMatrix out(device, rows, kCols, 0, device.output);
    const uint64_t before = emulator::counters.wgmma;
    device.backend.linear(in, weight, out);
    device.sync();
    expect(out.read() == std::vector<float>(size_t{rows} * kCols, kCols), "the sums are wrong");
    return emulator::counters.wgmma > before;
  };
  expect(uses_wgmma(kHopper, kLargeBatch, 100), "wgmma is not used where it fits");
  expect(uses_wgmma(kHopper, kLargeBatch, 1), "the kernel depends on the number of rows");
  expect(!uses_wgmma(kHopper, kSmallBatch, 1), "wgmma is used in the small plan");
  for (const int capability : {80, 89, 100, 120}) {
    expect(!uses_wgmma(capability, kLargeBatch, 100), "wgmma is used on other GPUs");
  }
  const Variable off("QWEN3_EMBED_HOPPER", "0");
  expect(!uses_wgmma(kHopper, kLargeBatch, 100),
         "wgmma is used although the environment disables it");
}

// Tiles of several texts and more steps than stages; partly filled last pages, in the prefix and in
// the texts; steps that lack a page.
void hopper_attention_is_the_same_in_any_schedule() {
  const Setting setting{4, 2, {130}, {{300, {}}, {70, 0}, {1, {}}, {128, {}}}};
  const AttentionInputs inputs = random_inputs(setting, DType::bf16, 12);
  const auto results = [&](int multiprocessors, uint64_t seed) {
    Device device({"",
                   {[=] { return open_emulated(DType::bf16, seed, multiprocessors, kHopper); }},
                   emulator::read,
                   true},
                  0);
    return PagedAttention(device, setting).run(inputs, chunks_of(setting, 1000));
  };
  const auto wanted = results(1, 0);
  for (const uint64_t seed : {1, 3, 4, 5}) {
    const auto actual = results(static_cast<int>(seed), seed);
    for (size_t i = 0; i < wanted.size(); ++i) {
      expect_same_bits(actual[i], wanted[i], setting.query_cols(),
                       "seed " + std::to_string(seed) + ", text " + std::to_string(i));
    }
  }
}

// Which attention kernel runs, by GPU, rows, heads, plan and environment.
void hopper_attention_is_chosen_where_it_fits() {
  const auto uses_wgmma = [](int capability, uint32_t tokens, uint32_t query_heads,
                             uint32_t batch_tokens = kLargeBatch) {
    Device device(
        {"", {[=] { return open_emulated(DType::bf16, 0, 4, capability); }}, emulator::read, true},
        0);
    device.backend.begin_batch(batch_tokens, false);
    Setting setting{query_heads, 1, {}, {{tokens, {}}}};
    const uint64_t before = emulator::counters.wgmma;
    const AttentionInputs inputs = random_inputs(setting, DType::bf16, 12);
    (void)PagedAttention(device, setting).run(inputs, chunks_of(setting, tokens));
    return emulator::counters.wgmma > before;
  };
  expect(uses_wgmma(kHopper, 70, 2), "wgmma is not used where it fits");
  expect(uses_wgmma(kHopper, 1, 2), "the kernel depends on the number of rows");
  expect(uses_wgmma(kHopper, 1, 128), "wgmma is not used where the heads of a token fill a tile");
  expect(!uses_wgmma(kHopper, 1, 129), "wgmma is used where the heads of a token exceed a tile");
  expect(!uses_wgmma(kHopper, 1, 2, kSmallBatch), "wgmma is used in the small plan");
  for (const int capability : {80, 89, 100, 120}) {
    expect(!uses_wgmma(capability, 1, 2), "wgmma is used on other GPUs");
  }
  const Variable off("QWEN3_EMBED_HOPPER", "0");
  expect(!uses_wgmma(kHopper, 1, 2), "wgmma is used although the environment disables it");
}

}  // namespace

void add_hopper_tests(Tests& tests) {
  for (const auto& [name, input] :
       {std::pair{"bf16", DType::bf16}, {"f16", DType::f16}, {"int8", DType::s8}}) {
    for (const auto& [op, use] : {std::pair{"", WeightUse::linear},
                                  {", gated", WeightUse::gate_up},
                                  {", added", WeightUse::linear_add}}) {
      tests.push_back(
          {std::string("cuda: hopper: tiles and schedules change no bit: ") + name + op,
           [input = input, use = use] { hopper_tiles_and_schedules_change_no_bit(input, use); }});
    }
  }
  tests.push_back({"cuda: hopper: tiles are chosen by cost", hopper_tiles_are_chosen_by_cost});
  tests.push_back({"cuda: hopper: kernels are chosen where they fit",
                   hopper_kernels_are_chosen_where_they_fit});
  tests.push_back({"cuda: hopper: attention is the same in any schedule",
                   hopper_attention_is_the_same_in_any_schedule});
  tests.push_back({"cuda: hopper: attention is chosen where it fits",
                   hopper_attention_is_chosen_where_it_fits});
}

}  // namespace qwen3::test
