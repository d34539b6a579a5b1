// A model and the memory that its batches run in: what is loaded once and shared by all who ask for it.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "engine/workspace.h"
#include "model/load_model.h"

namespace qwen3 {

struct LoadedModel {
  std::unique_ptr<const Model> model;
  std::unique_ptr<Workspace> workspace;                  // the engine thread's
  BatchSize limits{UINT32_MAX, UINT32_MAX, UINT32_MAX};  // the workspace's
  std::atomic<bool> failed = false;                      // its device is broken, and stays so
};

// Reads a checkpoint and takes the memory of its batches. Throws Error; null where progress said stop.
std::shared_ptr<LoadedModel> load_with_workspace(const ModelSource& source,
                                                 const std::vector<std::unique_ptr<File>>& files,
                                                 std::unique_ptr<Backend> backend,
                                                 const LoadProgress& progress);

}  // namespace qwen3
