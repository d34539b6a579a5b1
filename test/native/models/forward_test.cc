// Whole texts through loading, workspace, forward pass and pooling, on any backend.
#include <algorithm>

#include "models/model_tests.h"
#include "models/tiny_model.h"
#include "ops/number.h"
#include "reference/reference_backend.h"

namespace qwen3::test {
namespace {

constexpr uint32_t kDimensions = 72;

// Lengths around the borders of pages and chunks, and many short texts.
std::vector<Ids> some_texts(uint32_t vocabulary) {
  std::vector<Ids> texts;
  for (const uint32_t length : {1u, 7u, 63u, 64u, 65u, 1u, 130u, 2u, 33u, 1u, 5u}) {
    texts.push_back(random_ids(100 + texts.size(), length, vocabulary));
  }
  return texts;
}

void expect_same(const std::vector<Vector>& actual, const std::vector<Vector>& wanted,
                 const std::string& when) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    expect(actual[i].finite == wanted[i].finite,
           when + ": text " + std::to_string(i) + " is marked wrongly");
    expect_same_bits(actual[i].values, wanted[i].values, wanted[i].values.size(),
                     when + ", text " + std::to_string(i));
  }
}

double cosine_of(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0;
  for (size_t i = 0; i < a.size(); ++i) product += double{a[i]} * b[i];
  return product / norm(a.data(), a.size()) / norm(b.data(), b.size());
}

// Both models have the same bf16 weights.
// f32 inputs: only the order of f32 sums differs. Allowed is the limit of f32 against Hugging
// Face's float64, a 1 - cos of 1e-8.
// 16-bit inputs: every activation is rounded, by u / sqrt(3) on average (u: unit roundoff), about
// ten times per layer. 1 - cos is half the sum of the squares.
// s8: the inputs and weights of four linear ops per layer are also rounded, to steps of peak / 127.
// The peak of a rotated row is about four times its root mean square.
void agrees_with_the_reference(const BackendEntry& entry) {
  const std::shared_ptr<LoadedModel> reference = load_tiny_model(open_reference_backend());
  const std::shared_ptr<LoadedModel> loaded = load_tiny_model(entry.open.back()());
  const double roundings = 10 * loaded->model->config.layers;
  const Backend::Traits traits = loaded->model->backend->traits();
  const double u = unit_roundoff(traits.input);
  double squares = roundings * u * u / 3;
  if (traits.normed == DType::s8)
    squares += 8 * loaded->model->config.layers * (4. / 127) * (4. / 127) / 12;
  const double allowed = traits.input == DType::f32 ? 1e-8 : squares / 2 * 4;
  const std::vector<Ids> texts = some_texts(loaded->model->config.vocabulary);
  std::vector<Ids> few;  // a batch small enough that a backend may divide its sums in another way
  std::copy_if(texts.begin(), texts.end(), std::back_inserter(few),
               [](const Ids& t) { return t.size() < 40; });
  for (const std::vector<Ids>& batch : {texts, few}) {
    const std::vector<Vector> wanted = embed(*reference, batch, kDimensions);
    const std::vector<Vector> actual = embed(*loaded, batch, kDimensions);
    for (size_t i = 0; i < batch.size(); ++i) {
      const double cosine = cosine_of(wanted[i].values, actual[i].values);
      expect(actual[i].finite && std::abs(1 - cosine) <= allowed,
             "text " + std::to_string(i) + " of " + std::to_string(batch.size()) + ": 1 - cos is " +
                 std::to_string((1 - cosine) * 1e9) + "e-9, " + std::to_string(allowed * 1e9) +
                 "e-9 is allowed");
    }
  }
}

void same_bits_in_any_chunks_and_batch(const BackendEntry& entry) {
  const std::shared_ptr<LoadedModel> first = load_tiny_model(entry.open.front()());
  const std::vector<Ids> texts = some_texts(first->model->config.vocabulary);
  const std::vector<Vector> wanted = embed(*first, texts, kDimensions, true);

  const std::shared_ptr<LoadedModel> loaded = load_tiny_model(entry.open.back()());
  expect_same(embed(*loaded, texts, kDimensions, true), wanted, "on other threads");
  for (const uint32_t chunk_rows : {13u, 64u, 371u, 373u}) {
    Workspace workspace(*loaded->model, chunk_rows);
    expect_same(embed(*loaded->model, workspace, texts, kDimensions, true), wanted,
                "chunks of " + std::to_string(chunk_rows));
  }
  Workspace one_row(*loaded->model, 1);
  for (size_t i = 0; i < texts.size(); ++i) {
    expect_same(embed(*loaded, {texts[i]}, kDimensions, true), {wanted[i]}, "in its own batch");
    if (texts[i].size() < 10) {
      expect_same(embed(*loaded->model, one_row, {texts[i]}, kDimensions, true), {wanted[i]},
                  "row by row");
    }
  }
  loaded->workspace->shrink();
  const std::vector<Ids> reversed(texts.rbegin(), texts.rend());
  std::vector<Vector> vectors = embed(*loaded, reversed, kDimensions, true);
  std::reverse(vectors.begin(), vectors.end());
  expect_same(vectors, wanted, "in reverse order, in new memory");
}

// A backend may record the launches of a short batch and reuse them for batches of the same shape.
void same_bits_in_repeated_batches(const BackendEntry& entry) {
  const std::shared_ptr<LoadedModel> loaded = load_tiny_model(entry.open.back()());
  const uint32_t vocabulary = loaded->model->config.vocabulary;
  const std::vector<std::vector<Ids>> batches{
      {random_ids(1, 3, vocabulary)},
      {random_ids(2, 33, vocabulary)},
      {random_ids(3, 3, vocabulary)},
      {random_ids(4, 3, vocabulary), random_ids(5, 1, vocabulary)},
  };
  std::vector<std::vector<Vector>> wanted;
  for (const std::vector<Ids>& batch : batches) {
    const std::shared_ptr<LoadedModel> other = load_tiny_model(entry.open.back()());
    wanted.push_back(embed(*other, batch, kDimensions));
  }
  for (const size_t i : {0, 1, 2, 3, 0, 3, 1, 1, 2, 0}) {
    expect_same(embed(*loaded, batches[i], kDimensions), wanted[i],
                "batch " + std::to_string(i) + ", repeated");
  }
}

void non_finite_texts_affect_no_other(const BackendEntry& entry) {
  constexpr uint32_t kBad = 9;
  const std::shared_ptr<LoadedModel> well = load_tiny_model(entry.open.back()());
  const std::shared_ptr<LoadedModel> loaded =
      load_tiny_model(entry.open.back()(), {.nan_row = kBad});
  std::vector<Ids> texts = some_texts(well->model->config.vocabulary);
  for (Ids& text : texts) std::replace(text.begin(), text.end(), kBad, kBad + 1);
  const std::vector<Vector> wanted = embed(*well, texts, kDimensions);
  std::vector<Ids> with_bad = texts;
  with_bad[1][0] = with_bad[6][100] = with_bad[9][0] = kBad;
  for (const uint32_t chunk_rows : {512u, 50u}) {
    Workspace workspace(*loaded->model, chunk_rows);
    // The second batch runs in memory that holds what the first left.
    for (const std::vector<Ids>& batch : {with_bad, texts}) {
      const std::vector<Vector> vectors = embed(*loaded->model, workspace, batch, kDimensions);
      for (size_t i = 0; i < texts.size(); ++i) {
        const bool bad = batch[i] != texts[i];
        const Vector zeros{std::vector<float>(kDimensions), false};
        expect_same({vectors[i]}, {bad ? zeros : wanted[i]}, "text " + std::to_string(i));
      }
    }
  }
}

}  // namespace

void add_forward_tests(Tests& tests, const BackendEntry& entry) {
  tests.push_back({entry.name + ": forward: agrees with the reference",
                   [entry] { agrees_with_the_reference(entry); }});
  tests.push_back(
      {entry.name + ": forward: same bits in any chunks, batch and order, on any threads",
       [entry] { same_bits_in_any_chunks_and_batch(entry); }});
  tests.push_back({entry.name + ": forward: same bits in repeated batches",
                   [entry] { same_bits_in_repeated_batches(entry); }});
  tests.push_back({entry.name + ": forward: non-finite texts affect no other text, then or later",
                   [entry] { non_finite_texts_affect_no_other(entry); }});
}

}  // namespace qwen3::test
