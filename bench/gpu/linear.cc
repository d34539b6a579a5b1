// Times every matrix product of every model, with its fused operations, for one to thousands of
// rows.
//
// Runs take turns among weights that together exceed any GPU's cache, like the layers of a model.
// The input stays the same. linear_add may overwrite its input, so another product computes the
// input before each run, and its own time is subtracted.
//
// In int8, linear_add also quantizes its input. Lines with "part":"product" time the product alone:
// that of `linear`, with the same shape and an input that is already s8.
#include <algorithm>

#include "harness.h"

namespace qwen3::bench {
namespace {

constexpr size_t kLargerThanCaches = size_t{320} << 20;  // the largest cache has 126 MB
constexpr uint32_t kMostWeights = 64;

struct LinearOp {
  const char* name;
  WeightUse use;
  uint32_t rows, cols;  // of the weight
  bool product_alone = false;
};

std::vector<LinearOp> ops_of(const ModelConfig& c, bool with_products) {
  const uint32_t queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  std::vector<LinearOp> ops{{"gate_up", WeightUse::gate_up, 2 * c.intermediate, c.hidden},
                            {"down", WeightUse::linear_add, c.hidden, c.intermediate},
                            {"query", WeightUse::linear, queries, c.hidden},
                            {"attention_out", WeightUse::linear_add, c.hidden, queries},
                            {"key_value", WeightUse::linear, 2 * keys, c.hidden}};
  if (with_products) {
    ops.push_back({"down", WeightUse::linear, c.hidden, c.intermediate, true});
    ops.push_back({"attention_out", WeightUse::linear, c.hidden, queries, true});
  }
  return ops;
}

void run(Backend& backend, const LinearOp& op, Matrix in, Matrix weight, Matrix out) {
  if (op.use == WeightUse::gate_up) {
    backend.linear_swiglu(in, weight, out);
  } else if (op.use == WeightUse::linear_add) {
    backend.linear_add(in, weight, out);
  } else {
    backend.linear(in, weight, out);
  }
}

Matrix with_scales(Buffers& buffers, Matrix matrix) {
  matrix.scales = buffers.array(std::vector<float>(matrix.rows, 1.0f));
  return matrix;
}

Matrix output_of(Backend& backend, Buffers& buffers, const LinearOp& op, uint32_t rows) {
  if (op.use == WeightUse::linear_add) return buffers.random_f32(rows, op.rows);
  if (op.use == WeightUse::linear) return buffers.matrix(rows, op.rows, backend.traits().output);
  return with_scales(buffers, buffers.matrix(rows, op.rows / 2, backend.traits().input));
}

void time_op(const Options& options, Backend& backend, const char* model, const LinearOp& op,
             const std::vector<uint32_t>& row_counts) {
  constexpr uint32_t kSourceCols = 64;
  const DType precision = backend.traits().normed;
  const double weight_bytes = static_cast<double>(op.rows) * op.cols * bytes_of(precision);
  const auto weight_count = static_cast<uint32_t>(
      options.once  ? 1
      : options.toy ? 2
                    : std::clamp(kLargerThanCaches / weight_bytes + 1, 2.0, double{kMostWeights}));
  const uint32_t most_rows = *std::max_element(row_counts.begin(), row_counts.end());
  Buffers buffers(backend);
  std::vector<Matrix> weights;
  for (uint32_t i = 0; i < weight_count; ++i)
    weights.push_back(buffers.weight(op.use, op.rows, op.cols));
  const bool overwritten = op.use == WeightUse::linear_add;
  Matrix in = overwritten
                  ? with_scales(buffers, buffers.matrix(most_rows, op.cols, backend.traits().input))
                  : buffers.normed(most_rows, op.cols);
  Matrix out = output_of(backend, buffers, op, most_rows),
         source = buffers.normed(most_rows, kSourceCols);
  const Matrix spread = buffers.weight(WeightUse::linear, op.cols, kSourceCols);
  for (const uint32_t rows : row_counts) {
    if (!time_is_left(options)) return;
    in.rows = out.rows = source.rows = rows;
    backend.begin_batch(rows, false);
    const auto write_input = [&](uint32_t) {
      if (overwritten) backend.linear(source, spread, in);
    };
    if (options.once) {
      write_input(0);
      run_once(backend, {"linear", model, op.name, precision, rows},
               [&] { run(backend, op, in, weights[0], out); });
      continue;
    }
    const double input_seconds =
        overwritten ? seconds_per_run(options, backend, weight_count, write_input) : 0;
    const double seconds = seconds_per_run(options, backend, weight_count,
                                           [&](uint32_t i) {
                                             write_input(i);
                                             run(backend, op, in, weights[i % weight_count], out);
                                           }) -
                           input_seconds;
    print_line(R"({"kind":"linear","model":"%s","op":"%s","dtype":"%s","rows":%u,"out":%u,"in":%u,)"
               R"("seconds":%.4g,"tflops":%.4g,"weight_gb_per_second":%.4g%s})",
               model, op.name, dtype_name(precision), rows, op.rows, op.cols, seconds,
               2.0 * rows * op.rows * op.cols / seconds / 1e12, weight_bytes / seconds / 1e9,
               op.product_alone ? R"(,"part":"product")" : "");
  }
}

}  // namespace

void time_linear(const Options& options) {
  std::vector<uint32_t> rows{2048, 8192, 1, 16, 64, 512, 256};
  if (!options.rows.empty()) rows = options.rows;
  if (options.once) rows = {8192, 32};
  if (options.toy) rows = {1, 33};
  for (const DType input : {DType::bf16, DType::s8, DType::f16}) {
    if (!chosen(options.dtypes, dtype_name(input))) continue;
    if ((options.toy || options.once) && input == DType::f16) continue;
    const std::unique_ptr<Backend> backend = open(options, input);
    for (const NamedModel& model : models(options)) {
      for (const LinearOp& op : ops_of(model.config, input == DType::s8 && !options.once)) {
        if (!time_is_left(options)) return;
        time_op(options, *backend, model.name, op, rows);
      }
    }
  }
}

}  // namespace qwen3::bench
