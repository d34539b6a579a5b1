#include "devices/cuda_library.h"

#include <filesystem>
#include <mutex>
#include <string_view>

#include "backend/cuda_interface.h"
#include "error.h"
#include "platform/shared_library.h"

namespace qwen3 {
namespace {

[[noreturn]] void fail_unavailable(const std::string& message) {
  throw Error(ErrorCode::device_unavailable, message);
}

struct Library {
  std::string path;
  decltype(&qwen3_cuda_create) create = nullptr;
};

std::filesystem::path utf8_path(const std::string& path) {
  return std::filesystem::path(std::u8string(path.begin(), path.end()));
}

Library open(const std::string& wanted) {
  std::error_code ignored;
  const std::filesystem::path file = std::filesystem::absolute(
      wanted.empty() ? own_library().replace_filename(library_file_name("qwen3_embed_cuda"))
                     : utf8_path(wanted),
      ignored);
  const std::u8string name = file.u8string();
  const std::string path(name.begin(), name.end());
  if (!std::filesystem::is_regular_file(file, ignored)) {
    fail_unavailable("the CUDA library is missing: " + path +
                     " is not a file. The packages for Linux x64 include it; "
                     "QWEN3_EMBED_CUDA_LIBRARY sets another path");
  }
  if (!is_complete_library(file))
    fail_unavailable(path + " is truncated: install the package again");
  void* const library = open_library(file);
  if (!library) fail_unavailable("cannot load the CUDA library: " + library_error());
  const auto version = reinterpret_cast<decltype(&qwen3_cuda_interface_version)>(
      library_symbol(library, "qwen3_cuda_interface_version"));
  const auto create =
      reinterpret_cast<decltype(&qwen3_cuda_create)>(library_symbol(library, "qwen3_cuda_create"));
  if (!version || !create) fail_unavailable(path + " is not a CUDA library of this package");
  if (version() != kCudaInterfaceVersion) {
    fail_unavailable(path + " has interface version " + std::to_string(version()) +
                     ", this package needs " + std::to_string(kCudaInterfaceVersion) +
                     ": install the whole package again");
  }
  return {path, create};
}

}  // namespace

std::unique_ptr<Backend> open_cuda_backend(const std::string& path, int32_t ordinal, DType input,
                                           std::string* opened) {
  // Never destroyed: a thread may use them when the process exits.
  static auto& mutex = *new std::mutex;
  static auto& library = *new Library;
  const std::lock_guard lock(mutex);
  if (!library.create) library = open(path);
  if (opened) *opened = library.path;
  char message[512] = "";
  std::unique_ptr<Backend> backend(library.create(ordinal, input, message, sizeof message));
  if (!backend) {
    const bool is_driver_error = std::string_view(message).find("driver") != std::string_view::npos;
    const char* const advice = is_driver_error
                                   ? ". The NVIDIA driver must support the library's CUDA version: "
                                     "580 or newer for CUDA 13"
                                   : "";
    fail_unavailable("cannot open CUDA device " + std::to_string(ordinal) + ": " + message + " (" +
                     library.path + ")" + advice);
  }
  return backend;
}

}  // namespace qwen3
