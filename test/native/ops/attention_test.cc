// norm_rope, norm_rope_store and attention, in the order of use: keys and values are stored, then
// attended to.
#include <algorithm>
#include <array>
#include <limits>

#include "ops/number.h"
#include "ops/op_tests.h"
#include "ops/paged_attention.h"

namespace qwen3::test {
namespace {

std::string text_of(const Setting& setting) {
  std::string text = std::to_string(setting.query_heads) + " query heads on " +
                     std::to_string(setting.key_value_heads) + ", texts of";
  for (const TextShape& shape : setting.texts) {
    text += ' ' + (shape.prefix ? std::to_string(setting.prefixes[*shape.prefix]) + '+' : "") +
            std::to_string(shape.tokens);
  }
  return text;
}

// The maximum error of an attended value, except for the rounding of the result.
//
// f32: queries and keys are normalized, with gains up to g. So their length is at most g sqrt(dim),
// and a score is at most g^2 sqrt(dim). Its error is that of a sum of dim products, the roundings
// of query and key (see norm_rope_agrees), and one rounding of the score in the range reduction of
// exp. An error d of all scores changes the weights by a factor of exp(2 d), and so the mean of the
// values by 2 d max|v|. The sums over the tokens, exp and the division add their errors.
//
// 16 bits: queries, keys, weights and values are rounded independently, by at most u relatively.
// The dim products of a score have an error of u |q * k| / sqrt(dim) from each of the two factors,
// about u g^2. A value adds u max|v|, a weight as much. Four times that is allowed, as in
// sum_error.
double attention_tolerance(const Device& device, const Setting& setting, size_t tokens) {
  const double g2 = setting.sharpness * setting.sharpness;
  const double largest_score = g2 * std::sqrt(kDim);
  double score_error =
      sum_error(kDim, largest_score) + (4 * std::sqrt(kDim) + 32) * kRoundoff * largest_score;
  double value_error = (4 * std::sqrt(static_cast<double>(tokens)) + 32) * kRoundoff;
  if (device.input != DType::f32) {
    score_error += 4 * std::sqrt(2) * unit_roundoff(device.input) * g2;
    value_error += 4 * std::sqrt(2) * unit_roundoff(device.input);
  }
  return 2 * score_error + value_error;  // values are at most 1
}

void agrees(Device& device, const Setting& setting, uint32_t chunk_rows) {
  try {
    const AttentionInputs inputs = random_inputs(setting, device.output, 11);
    Device reference = open_reference();
    const Chunks chunks = chunks_of(setting, chunk_rows);
    const auto wanted = PagedAttention(reference, setting).run(inputs, chunks);
    const auto actual = PagedAttention(device, setting).run(inputs, chunks);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const uint32_t cols = setting.query_cols();
      std::vector<double> tolerance = rounding_errors(wanted[i], cols, device.input);
      for (double& t : tolerance) {
        t += attention_tolerance(device, setting, setting.position(i) + setting.texts[i].tokens);
      }
      expect_close(actual[i], wanted[i], tolerance, cols);
    }
  } catch (const Failure& failure) {
    throw Failure(text_of(setting) + ", chunks of " + std::to_string(chunk_rows) + ": " +
                  failure.what());
  }
}

struct HeadCounts {
  uint32_t query, key_value;
};
constexpr std::array kHeadCounts{HeadCounts{2, 1}, HeadCounts{1, 1}, HeadCounts{4, 1},
                                 HeadCounts{3, 3}, HeadCounts{4, 2}, HeadCounts{3, 1}};

void one_text_of_any_length(Device& device) {
  size_t i = 0;
  for (const uint32_t tokens : {1u, 2u, 5u, 11u, 12u, 13u, 47u, 48u, 49u, 63u, 64u, 65u, 96u, 97u,
                                127u, 128u, 129u, 200u, 321u}) {
    const HeadCounts heads = kHeadCounts[i++ % kHeadCounts.size()];
    Setting setting{heads.query, heads.key_value, {}, {{tokens, {}}}};
    setting.gap = i % 3 * 16 + i % 2;
    agrees(device, setting, 1000);
  }
}

// Prefixes that are empty, end within a page, at its edge and after it; texts that share them.
Setting many_texts() {
  return {4,
          2,
          {0, 5, 63, 64, 65, 130},
          {{3, {}},
           {70, 0},
           {1, 1},
           {64, 2},
           {9, 3},
           {65, 3},
           {33, 4},
           {1, 5},
           {80, 5},
           {129, {}},
           {1, {}}}};
}

void many_texts_with_prefixes(Device& device) {
  for (const uint32_t chunk_rows : {1000u, 37u}) agrees(device, many_texts(), chunk_rows);
  Setting layered = many_texts();
  layered.layers = 3;
  layered.layer = 2;
  agrees(device, layered, 65);
  layered.own_has_layers = true;
  layered.layer = 1;
  layered.gap = 16;
  agrees(device, layered, 51);
}

// Softmax weights concentrated on almost one token; the running maximum changes many times. With
// the larger gains, e^score is not finite without the maximum, or with that of another page.
void sharp_scores(Device& device) {
  Setting setting{2, 1, {}, {{150, {}}, {1, {}}, {70, {}}}};
  for (const float sharpness : {4.f, 24.f}) {
    setting.sharpness = sharpness;
    agrees(device, setting, 64);
  }
}

// The softmax over one token is 1, so the result is the token's value. The weight (1 except for
// rounding), the sum of weights and the division each add a rounding of the value. The scores of
// the second text are so low that e^score is 0.
void one_token_returns_its_value(Device& device) {
  Setting setting{4, 2, {}, {{1, {}}, {1, {}}, {1, {}}}};
  setting.sharpness = 8;
  AttentionInputs inputs = random_inputs(setting, DType::bf16, 12);  // bf16 in any format
  for (uint32_t i = 0; i < setting.key_value_heads * kDim; ++i)
    inputs.key_value[1][i] = -inputs.query[1][i / kDim * 2 * kDim + i % kDim];
  const auto actual = PagedAttention(device, setting).run(inputs, chunks_of(setting, 3));
  for (size_t i = 0; i < actual.size(); ++i) {
    std::vector<float> wanted;
    for (uint32_t h = 0; h < setting.query_heads; ++h) {
      const float* value = &inputs.key_value[i][(setting.key_value_heads + h / 2) * kDim];
      wanted.insert(wanted.end(), value, value + kDim);
    }
    std::vector<double> tolerance = rounding_errors(wanted, setting.query_cols(), device.input);
    for (size_t j = 0; j < wanted.size(); ++j) tolerance[j] += 4 * kRoundoff * std::abs(wanted[j]);
    expect_close(actual[i], wanted, tolerance, setting.query_cols());
  }
}

// The length of a head is at most sqrt(dim) g, and rotation preserves lengths. The error of a value
// is that of the norm and three roundings, relative to the length of its pair.
void norm_rope_agrees(Device& device) {
  for (const uint32_t gap : {0u, 5u, 16u}) {
    Setting setting = many_texts();
    setting.gap = gap;
    AttentionInputs inputs = random_inputs(setting, device.output, 13);
    for (float& value : inputs.query[1]) value = value * 1e5f;   // massive
    for (float& value : inputs.query[9]) value = value * 1e-6f;  // eps counts
    std::fill_n(inputs.query[3].begin(), kDim, 0.f);
    Device reference = open_reference();
    for (std::vector<Piece> chunk :
         {std::vector<Piece>{{1, 0, 70}, {8, 3, 7}, {3, 0, 64}}, {{9, 100, 29}}, {{0, 2, 1}}}) {
      for (const Piece& piece : chunk) {
        inputs.query[piece.text] =
            rounded(inputs.query[piece.text], setting.query_cols(), device.output);
      }
      const std::vector<float> wanted = PagedAttention(reference, setting).norm_rope(inputs, chunk);
      const std::vector<float> actual = PagedAttention(device, setting).norm_rope(inputs, chunk);
      std::vector<double> tolerance = rounding_errors(wanted, setting.query_cols(), device.output);
      for (size_t i = 0; i < wanted.size(); ++i) {
        const size_t partner = i % kDim < kDim / 2 ? i + kDim / 2 : i - kDim / 2;
        // std::hypot would require a newer glibc than a GPU host may have.
        const double length =
            std::sqrt(double{wanted[i]} * wanted[i] + double{wanted[partner]} * wanted[partner]);
        tolerance[i] += (2 * std::sqrt(kDim) + 8) * std::sqrt(2) * kRoundoff * length;
      }
      expect_close(actual, wanted, tolerance, setting.query_cols());
    }
  }
}

void same_bits_in_any_batch(const BackendEntry& entry) {
  const Setting setting = many_texts();
  Device first(entry, 0);
  const AttentionInputs inputs = random_inputs(setting, first.output, 14);
  const auto wanted = PagedAttention(first, setting).run(inputs, chunks_of(setting, 1000));
  const uint32_t cols = setting.query_cols();
  const auto expect_wanted = [&](const std::vector<std::vector<float>>& actual,
                                 const std::string& when) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      expect_same_bits(actual[i], wanted[i], cols, when + ", text " + std::to_string(i));
    }
  };
  Device device(entry, entry.open.size() - 1);
  PagedAttention all(device, setting, 21);
  expect_wanted(all.run(inputs, chunks_of(setting, 1000)), "in other pages, with other threads");
  const auto last = all.run_last_rows(inputs);
  for (size_t i = 0; i < wanted.size(); ++i) {
    expect_same_bits(last[i], {wanted[i].end() - cols, wanted[i].end()}, cols,
                     "last row alone, text " + std::to_string(i));
  }
  for (const uint32_t chunk_rows : {1u, 13u, 64u}) {
    if (entry.emulated && chunk_rows == 1) continue;
    expect_wanted(PagedAttention(device, setting).run(inputs, chunks_of(setting, chunk_rows)),
                  "in chunks of " + std::to_string(chunk_rows));
  }
  Setting layered = setting;
  layered.layers = 2;
  layered.layer = 1;
  layered.gap = 16;
  expect_wanted(PagedAttention(device, layered)
                    .run(inputs, chunks_of(setting, 90, {10, 4, 9, 2, 0, 7, 1, 8, 6, 3, 5})),
                "in another order, layer and stride");
  for (size_t i = 0; i < setting.texts.size(); i += entry.emulated ? 4 : 1) {
    const Chunks alone{{{i, 0, setting.texts[i].tokens}}};
    const auto actual = PagedAttention(device, setting).run(inputs, alone);
    expect_same_bits(actual[i], wanted[i], cols, "alone, text " + std::to_string(i));
  }
}

// NaN and infinities in the queries, keys and values of some texts; then in the pages that later
// texts reuse.
void non_finite_texts_affect_no_other(Device& device) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Setting setting = many_texts();
  const AttentionInputs inputs = random_inputs(setting, device.output, 15);
  const Chunks chunks = chunks_of(setting, 50);
  const auto wanted = PagedAttention(device, setting).run(inputs, chunks);
  AttentionInputs bad = inputs;
  std::fill(bad.key_value[1].begin() + 5, bad.key_value[1].end(), kNaN);
  std::fill(bad.query[1].begin(), bad.query[1].end(), kNaN);
  std::fill_n(bad.key_value[5].begin() + 300, 700, kInfinity);
  std::fill_n(bad.query[7].begin(), 20, -kInfinity);
  // Text 9: the keys of one token, whose values remain finite.
  constexpr uint32_t kBadToken = 3;
  std::fill_n(bad.key_value[9].begin() + kBadToken * setting.key_value_cols(),
              setting.key_value_heads * kDim, kNaN);

  PagedAttention pages(device, setting);
  const auto actual = pages.run(bad, chunks);
  const auto is_nan = [](float x) { return std::isnan(x); };
  expect(std::all_of(actual[1].end() - 10, actual[1].end(), is_nan),
         "a text with NaN has a finite result");
  const uint32_t cols = setting.query_cols();
  const auto first_bad = static_cast<std::ptrdiff_t>(kBadToken * cols);
  expect(std::all_of(actual[9].begin() + first_bad, actual[9].end(), is_nan),
         "a row that attends to a key with NaN has a finite result");
  expect_same_bits({actual[9].begin(), actual[9].begin() + first_bad},
                   {wanted[9].begin(), wanted[9].begin() + first_bad}, cols,
                   "rows before a key with NaN");
  for (const size_t i : {0, 2, 3, 4, 6, 8, 10}) {
    expect_same_bits(actual[i], wanted[i], cols,
                     "text " + std::to_string(i) + " in a batch with bad texts");
  }
  const auto again = pages.run(inputs, chunks);
  for (size_t i = 0; i < wanted.size(); ++i) {
    expect_same_bits(again[i], wanted[i], cols, "text " + std::to_string(i) + " after bad texts");
  }
}

}  // namespace

void add_attention_tests(Tests& tests, const BackendEntry& entry) {
  add_on_last_variant(tests, entry, "norm_rope: agrees with the reference", norm_rope_agrees);
  add_on_last_variant(tests, entry, "attention: one token returns its value",
                      one_token_returns_its_value);
  add_on_last_variant(tests, entry, "attention: one text of any length", one_text_of_any_length);
  add_on_last_variant(tests, entry, "attention: many texts, prefixes, chunks, layers",
                      many_texts_with_prefixes);
  add_on_last_variant(tests, entry, "attention: sharp scores", sharp_scores);
  add_on_last_variant(tests, entry,
                      "attention: non-finite texts affect no other text, then or later",
                      non_finite_texts_affect_no_other);
  tests.push_back(
      {entry.name + ": attention: same bits in any batch, chunks, order and pages, on any threads",
       [entry] { same_bits_in_any_batch(entry); }});
}

}  // namespace qwen3::test
