#include "engine/loader.h"

#include <sstream>

namespace qwen3 {
namespace {

// Two loads share weights if this string is equal: paths and versions of the files, config, device,
// instruction set and precision.
std::string identity(const ModelSource& source, const OpenDevice& opened) {
  const ModelConfig& c = source.config;
  std::ostringstream key;
  key << opened.device << ' ' << opened.backend->traits().instruction_set << ' '
      << to_string(opened.precision) << ' ' << c.hidden << ' ' << c.intermediate << ' ' << c.layers
      << ' ' << c.query_heads << ' ' << c.key_value_heads << ' ' << c.head_dim << ' '
      << c.vocabulary << ' ' << c.max_positions << ' ' << std::hexfloat << c.norm_eps << ' '
      << c.rope_theta;
  for (const FileSource& file : source.files) key << ' ' << file.version << ' ' << file.path;
  return key.str();
}

}  // namespace

Loader::Loader() : thread_([this] { work(); }) {}

Loader::~Loader() {
  queue_.stop();
  thread_.join();
}

void Loader::submit(std::shared_ptr<LoadJob> job) { queue_.push_back({std::move(job), nullptr}); }

// Queued first, so that the memory is free when the next load starts.
void Loader::release(std::shared_ptr<LoadedModel> model) {
  queue_.push_front({nullptr, std::move(model)});
}

void Loader::work() {
  Task task;
  while (queue_.wait([&](auto& tasks) {
    task = std::move(tasks.front());
    tasks.pop_front();
  })) {
    if (task.job) run(*task.job);
    task = {};
  }
  for (const Task& left : queue_.rest()) {
    if (left.job) left.job->finish(nullptr, nullptr);
  }
}

void Loader::run(LoadJob& job) {
  std::shared_ptr<LoadedModel> model;
  std::exception_ptr failure;
  try {
    if (!job.cancelled) model = load(job);
  } catch (...) {
    failure = std::current_exception();
  }
  job.finish(std::move(model), failure);
}

std::shared_ptr<LoadedModel> Loader::load(LoadJob& job) {
  OpenDevice opened = open_device(job.device, job.source.embeddings.dtype);
  job.precision = opened.precision;
  job.threads = opened.backend->traits().threads;
  job.note = opened.note;
  std::vector<std::unique_ptr<File>> files;
  for (const FileSource& file : job.source.files)
    files.push_back(std::make_unique<File>(file.path));

  std::erase_if(loaded_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<LoadedModel>& known = loaded_[identity(job.source, opened)];
  if (std::shared_ptr<LoadedModel> model = known.lock(); model && !model->failed) return model;

  std::shared_ptr<LoadedModel> model = load_with_workspace(
      job.source, files, std::move(opened.backend), [&](uint64_t loaded, uint64_t total) {
        if (job.progress) job.progress(loaded, total);
        return !job.cancelled;
      });
  known = model;
  return model;
}

}  // namespace qwen3
