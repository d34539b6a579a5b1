// Times causal attention of texts of equal length that fill a batch. Counts 4 x heads x dim
// operations for each pair of query and key that the mask admits.
#include <algorithm>
#include <numeric>

#include "engine/workspace.h"
#include "harness.h"

namespace qwen3::bench {
namespace {

constexpr uint32_t kDim = 128;

struct Case {
  DType input;
  uint32_t query_heads, key_value_heads, tokens;
};

std::vector<Case> cases(const Options& options) {
  if (options.toy) return {{DType::bf16, 2, 1, 70}, {DType::s8, 2, 1, 30}};
  if (options.once) {
    return {{DType::bf16, 32, 8, 512}, {DType::bf16, 32, 8, 4096}, {DType::bf16, 32, 8, 32768}};
  }
  std::vector<Case> all;
  for (const uint32_t heads : {32u, 16u}) {
    for (const uint32_t tokens : {4096u, 512u, 32768u, 128u, 2048u, 1024u, 8192u, 256u, 16384u}) {
      all.push_back({DType::bf16, heads, 8, tokens});
    }
  }
  for (const DType input : {DType::f16, DType::s8}) {
    for (const uint32_t tokens : {512u, 4096u, 32768u}) all.push_back({input, 32, 8, tokens});
  }
  return all;
}

void time_case(const Options& options, Backend& backend, const Case& c) {
  const uint32_t texts = std::max(1u, (options.toy ? 80 : backend.traits().batch_rows) / c.tokens);
  const uint32_t rows = texts * c.tokens, pages = page_count(c.tokens);
  Buffers buffers(backend);
  const Matrix gain = buffers.matrix(1, kDim, DType::f32);
  const std::vector<float> ones(kDim, 1.0f);
  backend.store_weight(gain, WeightUse::gain, 0, 1, ones.data(), DType::f32);
  // No rotation: cosines of 1, sines of 0.
  std::vector<float> rotations(size_t{c.tokens} * kDim);
  for (size_t i = 0; i < rotations.size(); ++i) rotations[i] = i % kDim < kDim / 2 ? 1.0f : 0.0f;
  const Heads heads{c.query_heads, c.key_value_heads, kDim, 1e-6f, buffers.array(rotations)};

  std::vector<uint32_t> table(size_t{texts} * pages);
  std::iota(table.begin(), table.end(), 0u);
  const uint32_t* const tables = buffers.array(table);
  std::vector<Span> spans;
  for (uint32_t t = 0; t < texts; ++t) {
    spans.push_back({t * c.tokens, c.tokens, 0, {}, {tables + size_t{t} * pages, c.tokens, 0}});
  }
  const Spans all{buffers.array(spans), texts, 0};
  void* const memory = buffers.bytes(table.size() * backend.page_bytes(heads));

  const Matrix query = buffers.projected(rows, c.query_heads * kDim);
  const Matrix key_value = buffers.projected(rows, 2 * c.key_value_heads * kDim);
  Matrix out = buffers.matrix(rows, c.query_heads * kDim, backend.traits().input);
  out.scales = buffers.array(std::vector<float>(rows, 1.0f));
  backend.begin_batch(rows, false);
  backend.norm_rope(query, gain, heads, all);
  backend.norm_rope_store(key_value, gain, heads, all, memory);
  sync(backend);

  const auto attend = [&] { backend.attention(query, heads, all, memory, out); };
  if (options.once) {
    return run_once(backend,
                    {"attention", options.toy ? "toy" : "8B", "attention", c.input, rows, c.tokens},
                    attend);
  }
  const double seconds = seconds_per_run(options, backend, 1, [&](uint32_t) { attend(); });
  const double pairs = 0.5 * texts * c.tokens * (c.tokens + 1.0);
  print_line(R"({"kind":"attention","heads":"%u/%u","dtype":"%s","tokens":%u,"texts":%u,)"
             R"("seconds":%.4g,"tflops":%.4g})",
             c.query_heads, c.key_value_heads, dtype_name(c.input), c.tokens, texts, seconds,
             4.0 * c.query_heads * kDim * pairs / seconds / 1e12);
}

}  // namespace

void time_attention(const Options& options) {
  std::unique_ptr<Backend> backend;
  for (const Case& c : cases(options)) {
    if (!chosen(options.dtypes, dtype_name(c.input)) || !time_is_left(options)) continue;
    if (!backend || backend->traits().normed != c.input) {
      backend.reset();
      backend = open(options, c.input);
    }
    time_case(options, *backend, c);
  }
}

}  // namespace qwen3::bench
