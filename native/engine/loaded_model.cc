#include "engine/loaded_model.h"

#include <utility>

namespace qwen3 {

std::shared_ptr<LoadedModel> load_with_workspace(const ModelSource& source,
                                                 const std::vector<std::unique_ptr<File>>& files,
                                                 std::unique_ptr<Backend> backend,
                                                 const LoadProgress& progress) {
  const size_t left_free = min_workspace_bytes(source.config, *backend);
  auto loaded = std::make_shared<LoadedModel>();
  loaded->model = load_model(source, files, std::move(backend), left_free, progress);
  if (!loaded->model) return nullptr;
  loaded->workspace = std::make_unique<Workspace>(*loaded->model);
  loaded->limits = loaded->workspace->limits();
  return loaded;
}

}  // namespace qwen3
