// Each op of backend.h as a plain loop: f32 activations, sums in double. All other backends are
// tested against it. Weights stay row-major. The embedding table keeps its stored dtype; other
// weights become f32. A page holds [key | value][kv head][slot][dim] f32.
#include "reference/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

namespace qwen3 {
namespace {

float* row_of(const Matrix& matrix, uint32_t row) {
  return static_cast<float*>(matrix.data) + size_t{row} * matrix.stride;
}

float f16_to_f32(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude =
        fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return bits >> 15 ? -magnitude : magnitude;
}

// Element `index` of an array of `dtype` (f32, bf16 or f16) at any alignment.
float value_at(const void* array, size_t index, DType dtype) {
  const auto* bytes = static_cast<const unsigned char*>(array) + index * bytes_of(dtype);
  if (dtype == DType::f32) {
    float value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  if (dtype == DType::f16) return f16_to_f32(half);
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double dot(const float* a, const float* b, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

double root_mean_square(const float* x, uint32_t n, float eps) {
  return std::sqrt(dot(x, x, n) / n + eps);
}

double silu(double x) { return x / (1 + std::exp(-x)); }

// Calls visit(row, position, span) for every row of the chunk that belongs to a sequence.
template <typename Visit>
void for_each_row(const Spans& spans, Visit visit) {
  for (uint32_t s = 0; s < spans.count; ++s) {
    const Span& span = spans.data[s];
    for (uint32_t r = 0; r < span.rows; ++r) visit(span.first_row + r, span.position + r, span);
  }
}

// RMS norm of one head, then RoPE: rotates each pair (i, i + dim / 2) by angle i of `position`.
void norm_rope_head(float* head, const float* gain, const Heads& heads, uint32_t position) {
  const uint32_t half = heads.dim / 2;
  const float* cosines = heads.rotations + size_t{position} * heads.dim;
  const float* sines = cosines + half;
  const double scale = 1 / root_mean_square(head, heads.dim, heads.norm_eps);
  for (uint32_t i = 0; i < half; ++i) {
    const double x = head[i] * scale * gain[i];
    const double y = head[i + half] * scale * gain[i + half];
    head[i] = static_cast<float>(x * cosines[i] - y * sines[i]);
    head[i + half] = static_cast<float>(y * cosines[i] + x * sines[i]);
  }
}

enum class Part : uint8_t { key, value };

// The key or value of `position` for one key/value head: [dim].
float* page_row(void* pages, const Heads& heads, const Span& span, uint32_t layer,
                uint32_t position, Part part, uint32_t head) {
  const bool in_prefix = position < span.prefix.tokens;
  const KeyValueRun& run = in_prefix ? span.prefix : span.own;
  const uint32_t token = in_prefix ? position : position - span.prefix.tokens;
  const size_t page = run.pages[token / kPageTokens] + size_t{layer} * run.layer_stride;
  const size_t part_of_page = page * 2 + static_cast<size_t>(part);
  const size_t slot = (part_of_page * heads.key_value + head) * kPageTokens + token % kPageTokens;
  return static_cast<float*>(pages) + slot * heads.dim;
}

class ReferenceBackend final : public Backend {
 public:
  Traits traits() const noexcept override {
    return {"reference", "scalar", 1, DType::f32, DType::f32, DType::f32, 512, false};
  }

  void gather(const uint32_t* ids, Matrix table, Matrix out) noexcept override {
    for (uint32_t i = 0; i < out.rows; ++i) {
      const size_t first = size_t{ids[i]} * table.stride;
      for (uint32_t j = 0; j < out.cols; ++j)
        row_of(out, i)[j] = value_at(table.data, first + j, table.dtype);
    }
  }

  void rms_norm(Matrix x, Matrix gain, float eps, Matrix out) noexcept override {
    for (uint32_t t = 0; t < x.rows; ++t) {
      const double scale = 1 / root_mean_square(row_of(x, t), x.cols, eps);
      for (uint32_t i = 0; i < x.cols; ++i) {
        row_of(out, t)[i] = static_cast<float>(row_of(x, t)[i] * scale * row_of(gain, 0)[i]);
      }
    }
  }

  void linear(Matrix in, Matrix weight, Matrix out) noexcept override {
    for (uint32_t t = 0; t < in.rows; ++t) {
      for (uint32_t m = 0; m < weight.rows; ++m) {
        row_of(out, t)[m] = static_cast<float>(dot(row_of(in, t), row_of(weight, m), in.cols));
      }
    }
  }

  void linear_add(Matrix in, Matrix weight, Matrix x) noexcept override {
    for (uint32_t t = 0; t < in.rows; ++t) {
      for (uint32_t m = 0; m < weight.rows; ++m) {
        float& sum = row_of(x, t)[m];
        sum = static_cast<float>(sum + dot(row_of(in, t), row_of(weight, m), in.cols));
      }
    }
  }

  void linear_swiglu(Matrix in, Matrix gate_up, Matrix out) noexcept override {
    const uint32_t intermediate = gate_up.rows / 2;
    for (uint32_t t = 0; t < in.rows; ++t) {
      for (uint32_t m = 0; m < intermediate; ++m) {
        const double gate = dot(row_of(in, t), row_of(gate_up, m), in.cols);
        const double up = dot(row_of(in, t), row_of(gate_up, intermediate + m), in.cols);
        row_of(out, t)[m] = static_cast<float>(silu(gate) * up);
      }
    }
  }

  void norm_rope(Matrix query, Matrix gain, Heads heads, Spans spans) noexcept override {
    for_each_row(spans, [&](uint32_t row, uint32_t position, const Span&) {
      for (uint32_t h = 0; h < heads.query; ++h) {
        norm_rope_head(row_of(query, row) + h * heads.dim, row_of(gain, 0), heads, position);
      }
    });
  }

  void norm_rope_store(Matrix key_value, Matrix gain, Heads heads, Spans spans,
                       void* pages) noexcept override {
    for_each_row(spans, [&](uint32_t row, uint32_t position, const Span& span) {
      for (uint32_t h = 0; h < heads.key_value; ++h) {
        float* key = row_of(key_value, row) + h * heads.dim;
        const float* value = key + heads.key_value * heads.dim;
        norm_rope_head(key, row_of(gain, 0), heads, position);
        std::copy_n(key, heads.dim,
                    page_row(pages, heads, span, spans.layer, position, Part::key, h));
        std::copy_n(value, heads.dim,
                    page_row(pages, heads, span, spans.layer, position, Part::value, h));
      }
    });
  }

  void attention(Matrix query, Heads heads, Spans spans, const void* pages,
                 Matrix out) noexcept override {
    void* arena = const_cast<void*>(pages);  // only read here
    std::vector<double> probabilities;       // scores, then softmax numerators, of a row and head
    std::vector<double> sum(heads.dim);
    for_each_row(spans, [&](uint32_t row, uint32_t position, const Span& span) {
      probabilities.resize(size_t{position} + 1);
      for (uint32_t h = 0; h < heads.query; ++h) {
        const uint32_t key_value_head = h / (heads.query / heads.key_value);
        const float* q = row_of(query, row) + h * heads.dim;
        double row_max = -std::numeric_limits<double>::infinity();
        for (uint32_t p = 0; p <= position; ++p) {
          const float* key =
              page_row(arena, heads, span, spans.layer, p, Part::key, key_value_head);
          probabilities[p] = dot(q, key, heads.dim) / std::sqrt(double(heads.dim));
          row_max = std::max(row_max, probabilities[p]);
        }
        double row_sum = 0;
        std::fill(sum.begin(), sum.end(), 0.0);
        for (uint32_t p = 0; p <= position; ++p) {
          const float* value =
              page_row(arena, heads, span, spans.layer, p, Part::value, key_value_head);
          probabilities[p] = std::exp(probabilities[p] - row_max);
          row_sum += probabilities[p];
          for (uint32_t i = 0; i < heads.dim; ++i) sum[i] += probabilities[p] * value[i];
        }
        float* attended = row_of(out, row) + h * heads.dim;
        for (uint32_t i = 0; i < heads.dim; ++i) attended[i] = static_cast<float>(sum[i] / row_sum);
      }
    });
  }

  void pool(Matrix x, Matrix gain, float eps, Pooled* outputs, uint32_t count) noexcept override {
    for (Pooled* output = outputs; output != outputs + count; ++output) {
      const float* in = row_of(x, output->row);
      const double scale = 1 / root_mean_square(in, x.cols, eps);
      const auto normed = [&](uint32_t i) { return in[i] * scale * row_of(gain, 0)[i]; };
      double squares = 0;
      for (uint32_t i = 0; i < output->dimensions; ++i) squares += normed(i) * normed(i);
      // The scale must be positive: an infinity after the first `dimensions` values makes it 0, and
      // the vector would be zeros that count as finite.
      output->finite = scale > 0 && std::isfinite(squares);
      const double norm = std::max(std::sqrt(squares), 1e-12);  // as torch.nn.functional.normalize
      for (uint32_t i = 0; i < output->dimensions; ++i) {
        output->out[i] = output->finite ? static_cast<float>(normed(i) / norm) : 0;
      }
    }
  }

  const char* sync() noexcept override { return nullptr; }

  void* allocate(size_t bytes) noexcept override {
    return ::operator new(bytes, kAlignment, std::nothrow);
  }
  void release(void* memory) noexcept override { ::operator delete(memory, kAlignment); }
  void upload(void* to, const void* from, size_t bytes) noexcept override {
    std::memcpy(to, from, bytes);
  }
  size_t available_bytes() const noexcept override { return SIZE_MAX; }
  size_t page_bytes(const Heads& heads) const noexcept override {
    return size_t{2} * heads.key_value * kPageTokens * heads.dim * sizeof(float);
  }

  WeightLayout weight_layout(WeightUse use, uint32_t rows, uint32_t cols,
                             DType stored) const noexcept override {
    const DType dtype = use == WeightUse::table ? stored : DType::f32;
    return {dtype, size_t{rows} * cols * bytes_of(dtype)};
  }

  void store_weight(Matrix weight, WeightUse, uint32_t first_row, uint32_t rows, const void* from,
                    DType stored) noexcept override {
    const size_t row_bytes = weight.cols * bytes_of(weight.dtype);
    for (uint32_t r = 0; r < rows; ++r) {
      const size_t to = size_t{first_row + r} * weight.stride;
      const size_t first = size_t{r} * weight.cols;
      if (weight.dtype == stored) {
        std::memcpy(static_cast<char*>(weight.data) + to * bytes_of(stored),
                    static_cast<const char*>(from) + first * bytes_of(stored), row_bytes);
      } else {
        float* values = static_cast<float*>(weight.data) + to;
        for (uint32_t i = 0; i < weight.cols; ++i) values[i] = value_at(from, first + i, stored);
      }
    }
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
};

}  // namespace

std::unique_ptr<Backend> open_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace qwen3
