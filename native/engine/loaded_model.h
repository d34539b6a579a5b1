// A model and the workspace of its batches. Loads of the same model share one.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "engine/workspace.h"
#include "model/load_model.h"

namespace qwen3 {

struct LoadedModel {
  std::unique_ptr<const Model> model;
  std::unique_ptr<Workspace> workspace;                  // used by the engine thread only
  BatchSize limits{UINT32_MAX, UINT32_MAX, UINT32_MAX};  // of the workspace
  std::atomic<bool> failed = false;                      // the device has failed, permanently
};

// Loads a model and allocates its workspace. Throws Error. Null if `progress` returned false.
std::shared_ptr<LoadedModel> load_with_workspace(const ModelSource& source,
                                                 const std::vector<std::unique_ptr<File>>& files,
                                                 std::unique_ptr<Backend> backend,
                                                 const LoadProgress& progress);

}  // namespace qwen3
