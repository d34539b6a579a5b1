// The ops that work row by row, for one instruction set: norms, RoPE, storing keys and values.
#pragma once
#include <math.h>

#include "cpu/kernels/gemm.h"
#include "cpu/kernels/kernels.h"

namespace qwen3::cpu {

constexpr uint32_t kHeadDim = 128;

// One key/value head of a page, as panels of `width` columns:
//   keys   [64 / width panels][128 depths][width keys]
//   values [128 / width panels][64 keys][width values of the head]
template <class F>
struct PageHead {
  using Input = typename F::Input;
  // Elements of all keys of one head in a page; its values have as many.
  static constexpr size_t kValues = size_t{kPageTokens} * kHeadDim;
  static constexpr size_t kBytes = 2 * kValues * sizeof(Input);

  Input *keys, *values;

  static PageHead at(void* pages, const KeyValueRun& run, uint32_t layer, uint32_t page,
                     const Heads& heads, uint32_t head) {
    const size_t index = run.pages[page] + size_t{layer} * run.layer_stride;
    auto* const keys = static_cast<Input*>(pages) + (index * heads.key_value + head) * 2 * kValues;
    return {keys, keys + kValues};
  }
};

// For each span that has any of `rows`: calls function(span, its rows among `rows`, position of the
// first of them).
template <class Function>
inline void for_spans(const Spans& spans, Range rows, const Function& function) {
  for (uint32_t s = 0; s < spans.count; ++s) {
    const Span& span = spans.data[s];
    const uint32_t begin = span.first_row > rows.first ? span.first_row : rows.first;
    const uint32_t span_end = span.first_row + span.rows, rows_end = rows.first + rows.count;
    const uint32_t end = span_end < rows_end ? span_end : rows_end;
    if (begin < end)
      function(span, Range{begin, end - begin}, span.position + (begin - span.first_row));
  }
}

template <class F>
struct RowOps {
  using V = typename F::Set;
  using Vector = typename V::Vector;
  using Input = typename F::Input;

  static float* row_of(const Matrix& matrix, uint32_t row) {
    return static_cast<float*>(matrix.data) + size_t{row} * matrix.stride;
  }

  // 1 / sqrt(mean(x^2) + eps). Each block is summed in f32, the sums of the blocks in double.
  static float inverse_rms(const float* x, uint32_t n, float eps) {
    constexpr uint32_t kBlock = 16 * V::kLanes;
    double squares = 0;
    for (uint32_t first = 0; first < n; first += kBlock) {
      Vector sum = V::zero();
      for (uint32_t i = first; i < n && i < first + kBlock; i += V::kLanes) {
        const Vector value = n - i < V::kLanes ? V::load(x + i, n - i) : V::load(x + i);
        sum = V::fma(value, value, sum);
      }
      squares += V::reduce_sum(sum);
    }
    return static_cast<float>(1 / ::sqrt(squares / n + eps));
  }

  static void rms_norm(Matrix x, Matrix gain, float eps, Matrix out, Range rows) {
    const float* const gains = row_of(gain, 0);
    for (uint32_t r = rows.first; r < rows.first + rows.count; ++r) {
      const float* const from = row_of(x, r);
      Input* const to = static_cast<Input*>(out.data) + size_t{r} * out.stride;
      const Vector scale = V::set1(inverse_rms(from, x.cols, eps));
      for (uint32_t i = 0; i < x.cols; i += V::kLanes) {
        const uint32_t n = x.cols - i < V::kLanes ? x.cols - i : V::kLanes;
        V::store(to + i, V::mul(V::mul(V::load(from + i, n), scale), V::load(gains + i, n)), n);
      }
    }
  }

  // RMS norm, then RoPE on the pairs (i, i + 64) of a head. `to` may be `head`.
  static void norm_rope_head(const float* head, const float* gain, const Heads& heads,
                             uint32_t position, float* to) {
    constexpr uint32_t kHalf = kHeadDim / 2;
    const float* const cosines = heads.rotations + size_t{position} * kHeadDim;
    const float* const sines = cosines + kHalf;
    const Vector scale = V::set1(inverse_rms(head, kHeadDim, heads.norm_eps));
    for (uint32_t i = 0; i < kHalf; i += V::kLanes) {
      const Vector x = V::mul(V::mul(V::load(head + i), scale), V::load(gain + i));
      const Vector y = V::mul(V::mul(V::load(head + kHalf + i), scale), V::load(gain + kHalf + i));
      const Vector cosine = V::load(cosines + i), sine = V::load(sines + i);
      V::store(to + i, V::sub(V::mul(x, cosine), V::mul(y, sine)));
      V::store(to + kHalf + i, V::fma(y, cosine, V::mul(x, sine)));
    }
  }

  static void norm_rope(Matrix query, Matrix gain, const Heads& heads, const Spans& spans,
                        Range rows) {
    for_spans(spans, rows, [&](const Span&, Range own, uint32_t position) {
      for (uint32_t r = 0; r < own.count; ++r) {
        float* head = row_of(query, own.first + r);
        for (uint32_t h = 0; h < heads.query; ++h, head += kHeadDim) {
          norm_rope_head(head, row_of(gain, 0), heads, position + r, head);
        }
      }
    });
  }

  static void norm_rope_store(Matrix key_value, Matrix gain, const Heads& heads, const Spans& spans,
                              void* pages, Range rows, uint32_t head) {
    for_spans(spans, rows, [&](const Span& span, Range own, uint32_t position) {
      for (uint32_t r = 0; r < own.count; ++r) {
        const float* const key = row_of(key_value, own.first + r) + head * kHeadDim;
        const float* const value = key + heads.key_value * kHeadDim;
        alignas(64) float rotated[kHeadDim];
        norm_rope_head(key, row_of(gain, 0), heads, position + r, rotated);
        const uint32_t token = position + r - span.prefix.tokens, slot = token % kPageTokens;
        const auto page =
            PageHead<F>::at(pages, span.own, spans.layer, token / kPageTokens, heads, head);
        store_key(rotated, slot, page.keys);
        store_value(value, slot, page.values);
      }
    });
  }

  static void store_key(const float* key, uint32_t slot, Input* keys) {
    Input* const panel = keys + slot / F::kWidth * size_t{kHeadDim} * F::kWidth;
    alignas(64) Input rounded[kHeadDim];
    for (uint32_t i = 0; i < kHeadDim; i += V::kLanes) V::store(rounded + i, V::load(key + i));
    for (uint32_t i = 0; i < kHeadDim; ++i) panel[F::index(i, slot % F::kWidth)] = rounded[i];
  }

  static void store_value(const float* value, uint32_t slot, Input* values) {
    alignas(64) Input rounded[kHeadDim];
    for (uint32_t i = 0; i < kHeadDim; i += V::kLanes) V::store(rounded + i, V::load(value + i));
    for (uint32_t first = 0; first < kHeadDim;
         first += F::kWidth, values += size_t{kPageTokens} * F::kWidth) {
      for (uint32_t i = 0; i < F::kWidth; ++i) values[F::index(slot, i)] = rounded[first + i];
    }
  }
};

}  // namespace qwen3::cpu
