#include "addon/process.h"

#include <system_error>

#include "error.h"

namespace qwen3::addon {
namespace {

// Never destroyed, because its thread may be running when the process exits. `Use` distinguishes
// services of one type.
template <typename Service, int Use = 0>
Service& started() {
  try {
    static auto* const instance = new Service;
    return *instance;
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::device_unavailable,
                std::string("the system does not allow another thread (") + error.what() +
                    "): raise the limit, for example with ulimit -u");
  }
}

}  // namespace

Engine& engine() { return started<Engine>(); }
Loader& loader() { return started<Loader>(); }
TextWorker& text_worker() { return started<TextWorker, 0>(); }
TextWorker& file_worker() { return started<TextWorker, 1>(); }

}  // namespace qwen3::addon
