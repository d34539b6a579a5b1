// Causal attention over pages, for one instruction set and one task: some rows of a chunk, one
// query head.
//
// The rows read their keys page by page with an online softmax (Dao et al., FlashAttention, 2022):
//   scores        [rows, 64]  = query keys^T
//   new_max       [rows]      = max(row_max, scores * log2(e) / sqrt(dim))
//   probabilities [rows, 64]  = 2^(scores * log2(e) / sqrt(dim) - new_max), not yet normalized
//   rescale       [rows]      = 2^(row_max - new_max)
//   row_sum       [rows]      = row_sum * rescale + sum(probabilities)
//   sums          [rows, 128] = sums * rescale + probabilities values
// The result is sums / row_sum. Both products use the micro-kernel of gemm.h; keys and values are
// packed into its panels.
//
// A row stops at its own key. Later slots may hold anything, NaN included: their scores are
// discarded, and their values are never multiplied, not even by zero. So a row's bits depend on its
// own keys only.
#pragma once
#include "cpu/kernels/row_ops.h"

namespace qwen3::cpu {

template <class F, uint32_t kQueryRows>
struct Attention {
  using V = typename F::Set;
  using Vector = typename V::Vector;
  using Input = typename F::Input;
  static constexpr bool kConverts = sizeof(Input) != sizeof(float);

  struct Scratch {
    alignas(64) float scores[kQueryRows * kPageTokens];
    alignas(64) Input probabilities[kQueryRows * kPageTokens];
    alignas(64) Input query[kConverts ? kQueryRows * kHeadDim : 1];
    alignas(64) float sums[kQueryRows * kHeadDim];
    float row_max[kQueryRows], row_sum[kQueryRows], rescale[kQueryRows];
  };

  // Query rows of one sequence, one head.
  struct Queries {
    const Input* data;
    size_t stride;
    uint32_t rows, position;
  };

  static void run(Matrix query, const Heads& heads, const Spans& spans, const void* pages,
                  Matrix out, Range rows, uint32_t head, void* memory) {
    auto& scratch = *static_cast<Scratch*>(memory);
    const uint32_t key_value_head = head / (heads.query / heads.key_value);
    for_spans(spans, rows, [&](const Span& span, Range own, uint32_t position) {
      const Queries queries = read_queries(query, own, head, position, scratch);
      // Initialize the online softmax.
      for (uint32_t i = 0; i < own.count; ++i) {
        scratch.row_max[i] = -HUGE_VALF;
        scratch.row_sum[i] = 0;
      }
      for (uint32_t i = 0; i < own.count * kHeadDim; i += V::kLanes)
        V::store(scratch.sums + i, V::zero());
      // Attend to the prefix run, then to the span's own run.
      add_run(queries, span.prefix, 0, heads, key_value_head, spans.layer, pages, scratch);
      add_run(queries, span.own, span.prefix.tokens, heads, key_value_head, spans.layer, pages,
              scratch);
      // Epilogue: out = sums / row_sum.
      for (uint32_t i = 0; i < own.count; ++i) {
        Input* const to =
            static_cast<Input*>(out.data) + size_t{own.first + i} * out.stride + head * kHeadDim;
        const Vector scale = V::set1(1 / scratch.row_sum[i]);
        for (uint32_t j = 0; j < kHeadDim; j += V::kLanes) {
          V::store(to + j, V::mul(V::load(scratch.sums + i * kHeadDim + j), scale));
        }
      }
    });
  }

  // Converts queries to `Input`. f32 queries are read in place.
  static Queries read_queries(const Matrix& query, Range own, uint32_t head, uint32_t position,
                              Scratch& scratch) {
    const float* const from =
        static_cast<const float*>(query.data) + size_t{own.first} * query.stride + head * kHeadDim;
    if constexpr (kConverts) {
      for (uint32_t i = 0; i < own.count; ++i) {
        for (uint32_t j = 0; j < kHeadDim; j += V::kLanes) {
          V::store(scratch.query + i * kHeadDim + j, V::load(from + size_t{i} * query.stride + j));
        }
      }
      return {scratch.query, kHeadDim, own.count, position};
    } else {
      return {from, query.stride, own.count, position};
    }
  }

  // Adds the keys and values of one run. `first`: position of its first token.
  static void add_run(const Queries& queries, const KeyValueRun& run, uint32_t first,
                      const Heads& heads, uint32_t head, uint32_t layer, const void* pages,
                      Scratch& scratch) {
    const uint32_t end = queries.position + queries.rows;
    for (uint32_t token = 0; token < run.tokens && first + token < end; token += kPageTokens) {
      // Causal mask: the page is after the first `masked_rows` rows. The next row sees the first
      // `visible_keys` keys of the page, and each later row one more, up to all of them.
      const uint32_t start = first + token;
      const uint32_t masked_rows = start > queries.position ? start - queries.position : 0;
      const uint32_t visible_keys = queries.position + masked_rows - start + 1;
      const uint32_t keys = run.tokens - token < kPageTokens ? run.tokens - token : kPageTokens;
      const Page page{
          PageHead<F>::at(const_cast<void*>(pages), run, layer, token / kPageTokens, heads, head),
          Range{masked_rows, queries.rows - masked_rows}, keys, visible_keys};
      score(queries, page, scratch);
      online_softmax(page, scratch);
      add_values(page, scratch);
    }
  }

  // A page of keys and values of one head, and the query rows that see some of its keys.
  struct Page {
    PageHead<F> head;
    Range rows;
    uint32_t keys, visible_keys;
    // Number of keys that a row sees; `row` counts from rows.first.
    uint32_t visible_to(uint32_t row) const {
      return visible_keys + row < keys ? visible_keys + row : keys;
    }
  };

  // scores = query keys^T, for at least the keys that each row sees.
  static void score(const Queries& queries, const Page& page, Scratch& scratch) {
    const uint32_t columns = page.visible_to(page.rows.count - 1);
    for (uint32_t column = 0; column < columns; column += F::kWidth) {
      const Input* const panel = page.head.keys + column * kHeadDim;
      for_row_groups<V::kRows>(page.rows.count, [&](uint32_t first, auto n) {
        const uint32_t row = page.rows.first + first;
        Vector sum[n.kCount][2];
        clear<V>(sum);
        accumulate<F>(queries.data + row * queries.stride, queries.stride, panel, kHeadDim, sum);
        float* to = scratch.scores + row * kPageTokens + column;
#pragma GCC unroll 16
        for (int i = 0; i < n.kCount; ++i, to += kPageTokens) {
          V::store(to, sum[i][0]);
          V::store(to + V::kLanes, sum[i][1]);
        }
      });
    }
  }

  // Replaces scores by probabilities and updates row_max, row_sum and rescale.
  static void online_softmax(const Page& page, Scratch& scratch) {
    const Vector scale = V::set1(0x1.0527dcp-3f);  // log2(e) / sqrt(128)
    for (uint32_t r = 0; r < page.rows.count; ++r) {
      const uint32_t row = page.rows.first + r, visible_keys = page.visible_to(r);
      const uint32_t last = (visible_keys - 1) / V::kLanes * V::kLanes;
      const float* const scores = scratch.scores + row * kPageTokens;
      // Mask: the last vector may hold scores of keys that the row does not see. Discard them.
      const Vector last_scores =
          V::keep_first(V::load(scores + last), visible_keys - last, V::set1(-HUGE_VALF));
      // Row maximum, in powers of two.
      Vector scores_max = last_scores;
      for (uint32_t i = 0; i < last; i += V::kLanes)
        scores_max = V::max(scores_max, V::load(scores + i));
      const Vector old_max = V::set1(scratch.row_max[row]);
      const Vector new_max = V::max(old_max, V::mul(V::set1(V::reduce_max(scores_max)), scale));
      // Probabilities, before normalization, and their sum.
      const Vector minus_max = V::sub(V::zero(), new_max);
      const auto to_probabilities = [&](Vector values) {
        return exp2<V>(V::fma(values, scale, minus_max));
      };
      const Vector last_probabilities = to_probabilities(last_scores);  // discarded: 0
      Vector total = last_probabilities;
      V::store(scratch.probabilities + row * kPageTokens + last, last_probabilities);
      for (uint32_t i = 0; i < last; i += V::kLanes) {
        const Vector probabilities = to_probabilities(V::load(scores + i));
        V::store(scratch.probabilities + row * kPageTokens + i, probabilities);
        total = V::add(total, probabilities);
      }
      // Rescale earlier sums to the new maximum.
      const float rescale = V::first(exp2<V>(V::sub(old_max, new_max)));
      scratch.row_max[row] = V::first(new_max);
      scratch.rescale[row] = rescale;
      scratch.row_sum[row] = scratch.row_sum[row] * rescale + V::reduce_sum(total);
    }
  }

  // sums = sums * rescale + probabilities values
  static void add_values(const Page& page, Scratch& scratch) {
    for (uint32_t column = 0; column < kHeadDim; column += F::kWidth) {
      const Input* const panel = page.head.values + column * kPageTokens;
      for_row_groups<V::kRows>(page.rows.count, [&](uint32_t first, auto n) {
        const uint32_t row = page.rows.first + first;
        Vector sum[n.kCount][2];
        clear<V>(sum);
        const Input* const probabilities = scratch.probabilities + row * kPageTokens;
        // All rows of the group see the first `common` keys. Later keys are added row by row, to
        // the rows that see them.
        const uint32_t common = page.visible_to(first) / F::kDepth * F::kDepth;
        accumulate<F>(probabilities, kPageTokens, panel, common, sum);
        const uint32_t visible_keys = page.visible_to(first + n.kCount - 1);
        for (uint32_t key = common; key < visible_keys; key += F::kDepth) {
#pragma GCC unroll 16
          for (int i = 0; i < n.kCount; ++i) {
            const uint32_t visible = page.visible_to(first + i);
            if (visible > key) {
              add_step(probabilities + i * kPageTokens + key, panel + key * F::kWidth,
                       visible - key, sum[i]);
            }
          }
        }
        // Rescale earlier sums and add.
        float* to = scratch.sums + row * kHeadDim + column;
#pragma GCC unroll 16
        for (int i = 0; i < n.kCount; ++i, to += kHeadDim) {
          const Vector rescale = V::set1(scratch.rescale[row + i]);
          V::store(to, V::fma(V::load(to), rescale, sum[i][0]));
          V::store(to + V::kLanes, V::fma(V::load(to + V::kLanes), rescale, sum[i][1]));
        }
      });
    }
  }

  // One step of the micro-kernel for one row, which sees the first `visible_keys` keys of the step.
  static void add_step(const Input* probabilities, const Input* panel, uint32_t visible_keys,
                       Vector (&sum)[2]) {
    typename F::Operand values[2];
    F::load(panel, values);
    if constexpr (F::kDepth > 1) {
      if (visible_keys < F::kDepth) F::keep_first_depth(values);
    }
    const typename F::Operand probability = F::broadcast(probabilities);
    sum[0] = F::step(probability, values[0], sum[0]);
    sum[1] = F::step(probability, values[1], sum[1]);
  }
};

}  // namespace qwen3::cpu
