// Times the ops that work on single rows, in bytes read and written per second.
#include <algorithm>
#include <numeric>

#include "engine/workspace.h"
#include "harness.h"

namespace qwen3::bench {
namespace {

void time_model(const Options& options, Backend& backend, const NamedModel& model) {
  const ModelConfig& c = model.config;
  const Backend::Traits traits = backend.traits();
  const uint32_t rows = options.toy ? 5 : 8192, pooled_rows = options.toy ? 3 : 256;
  const uint32_t queries = c.query_heads * c.head_dim, keys = 2 * c.key_value_heads * c.head_dim;
  const double in = bytes_of(traits.normed), out = bytes_of(traits.output), f32 = 4;
  Buffers buffers(backend);
  const Matrix x = buffers.random_f32(rows, c.hidden), normed = buffers.normed(rows, c.hidden);
  const std::vector<float> ones(c.hidden, 1.0f);
  const Matrix gain = buffers.matrix(1, c.hidden, DType::f32);
  const Matrix head_gain = buffers.matrix(1, c.head_dim, DType::f32);
  backend.store_weight(gain, WeightUse::gain, 0, 1, ones.data(), DType::f32);
  backend.store_weight(head_gain, WeightUse::gain, 0, 1, ones.data(), DType::f32);

  // A table far larger than any cache, and rows from all parts of it.
  const uint32_t vocabulary = options.toy ? 64 : 131072;
  const Matrix table = buffers.weight(WeightUse::table, vocabulary, c.hidden);
  std::vector<uint32_t> ids(rows);
  for (uint32_t i = 0; i < rows; ++i) ids[i] = i * 2654435761u % vocabulary;
  const uint32_t* const gathered = buffers.array(ids);

  // One text for every 512 rows.
  const uint32_t length = std::min(rows, 512u), texts = rows / length, pages = page_count(length);
  std::vector<float> rotations(size_t{length} * c.head_dim, 0.7f);
  const Heads heads{c.query_heads, c.key_value_heads, c.head_dim, c.norm_eps,
                    buffers.array(rotations)};
  std::vector<uint32_t> pages_in_order(size_t{texts} * pages);
  std::iota(pages_in_order.begin(), pages_in_order.end(), 0u);
  const uint32_t* const tables = buffers.array(pages_in_order);
  std::vector<Span> list;
  for (uint32_t t = 0; t < texts; ++t) {
    list.push_back({t * length, length, 0, {}, {tables + size_t{t} * pages, length, 0}});
  }
  const Spans spans{buffers.array(list), texts, 0};
  void* const memory = buffers.bytes(pages_in_order.size() * backend.page_bytes(heads));
  const Matrix query = buffers.projected(rows, queries), key_value = buffers.projected(rows, keys);

  std::vector<float> vectors(size_t{pooled_rows} * c.hidden);
  std::vector<Pooled> outputs;
  for (uint32_t i = 0; i < pooled_rows; ++i) {
    outputs.push_back({i, c.hidden, vectors.data() + size_t{i} * c.hidden, false});
  }

  struct Case {
    const char* op;
    uint32_t rows;
    double bytes;
    std::function<void()> enqueue;
  };
  const Case cases[] = {
      {"rms_norm", rows, rows * c.hidden * (f32 + in),
       [&] { backend.rms_norm(x, gain, c.norm_eps, normed); }},
      {"gather", rows, rows * c.hidden * (2 + f32), [&] { backend.gather(gathered, table, x); }},
      {"norm_rope", rows, rows * queries * 2 * out,
       [&] { backend.norm_rope(query, head_gain, heads, spans); }},
      {"norm_rope_store", rows, rows * keys * 2 * out,
       [&] { backend.norm_rope_store(key_value, head_gain, heads, spans, memory); }},
      {"pool", pooled_rows, pooled_rows * c.hidden * 2 * f32,
       [&] {
         backend.pool(x, gain, c.norm_eps, outputs.data(), pooled_rows);
         sync(backend);  // the vectors are in host memory only then
       }},
  };
  backend.begin_batch(rows, false);
  for (const Case& each : cases) {
    if (!time_is_left(options)) return;
    if (options.once) {
      run_once(backend, {"rows", model.name, each.op, traits.normed, each.rows}, each.enqueue);
      continue;
    }
    const double seconds = seconds_per_run(options, backend, 1, [&](uint32_t) { each.enqueue(); });
    print_line(R"({"kind":"rows","model":"%s","op":"%s","dtype":"%s","rows":%u,)"
               R"("seconds":%.4g,"gb_per_second":%.4g})",
               model.name, each.op, dtype_name(traits.normed), each.rows, seconds,
               each.bytes / seconds / 1e9);
  }
}

}  // namespace

void time_rows(const Options& options) {
  for (const DType input : {DType::bf16, DType::s8}) {
    if (!chosen(options.dtypes, dtype_name(input)) || !time_is_left(options)) continue;
    const std::unique_ptr<Backend> backend = open(options, input);
    for (const NamedModel& model : models(options)) time_model(options, *backend, model);
  }
}

}  // namespace qwen3::bench
