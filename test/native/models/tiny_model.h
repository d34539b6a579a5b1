// A small model with random weights, loaded from a file as a real one is, and a direct call from
// token ids to vectors.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "engine/loaded_model.h"
#include "temporary_folder.h"

namespace qwen3::test {

struct TinyModel {
  uint64_t seed = 1;
  uint32_t vocabulary = 64, max_positions = 400;
  // A row of the embedding table that has a NaN.
  std::optional<uint32_t> nan_row = std::nullopt;
};

// Its checkpoint. The file stores weights as bf16, so that all backends start from the same numbers.
struct TinyCheckpoint {
  explicit TinyCheckpoint(const TinyModel& tiny = {});

  TemporaryFolder folder;
  ModelSource source;
};
std::vector<std::unique_ptr<File>> open_files(const ModelSource& source);

std::shared_ptr<LoadedModel> load_tiny_model(std::unique_ptr<Backend> backend,
                                             const TinyModel& tiny = {});

using Ids = std::vector<uint32_t>;
struct Vector {
  std::vector<float> values;
  bool finite;
};

// Runs one batch, in the workspace's chunks. `invariant`: see Backend::begin_batch.
std::vector<Vector> embed(const Model& model, Workspace& workspace, const std::vector<Ids>& texts,
                          uint32_t dimensions, bool invariant = false);
// The same in the model's own workspace.
std::vector<Vector> embed(LoadedModel& loaded, const std::vector<Ids>& texts, uint32_t dimensions,
                          bool invariant = false);

Ids random_ids(uint64_t seed, uint32_t count, uint32_t vocabulary);

}  // namespace qwen3::test
