#include "devices/cuda_library.h"

#ifdef _WIN32
#ifndef NOMINMAX  // MinGW says so itself
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <dlfcn.h>
#endif
#ifdef __linux__
#include <elf.h>
#endif

#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "backend/cuda_interface.h"
#include "error.h"

namespace qwen3 {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::device_unavailable, why); }

// The three calls that systems name differently. A path is UTF-8.
#ifdef _WIN32

constexpr const char* kFileName = "qwen3_embed_cuda.dll";

std::string system_message() {
  char* text = nullptr;
  const DWORD length = FormatMessageA(
      FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr,
      GetLastError(), 0, reinterpret_cast<char*>(&text), 0, nullptr);
  const std::string message(text ? text : "", length);
  LocalFree(text);
  return message.substr(0, message.find_last_not_of("\r\n") + 1);
}

std::filesystem::path own_path() {
  HMODULE module = nullptr;
  wchar_t path[32768];
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                     reinterpret_cast<LPCWSTR>(&own_path), &module);
  return std::filesystem::path(path, path + GetModuleFileNameW(module, path, 32768));
}

void* open_library(const std::filesystem::path& path) {
  return LoadLibraryExW(path.c_str(), nullptr,
                        LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
}

void* symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

#else

constexpr const char* kFileName = "libqwen3_embed_cuda.so";

std::string system_message() {
  const char* message = dlerror();
  return message ? message : "";
}

std::filesystem::path own_path() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(&own_path), &info) ? info.dli_fname : "";
}

void* open_library(const std::filesystem::path& path) { return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); }

void* symbol(void* library, const char* name) { return dlsym(library, name); }

#endif

// Linux kills a process that maps a file which was cut short. The section table stands last in it.
bool is_whole([[maybe_unused]] const std::filesystem::path& file) {
#ifdef __linux__
  Elf64_Ehdr header{};
  std::ifstream(file, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(file, error);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return true;  // dlopen says what it is
  return !error && size >= sizeof header && header.e_shoff <= size &&
         uint64_t{header.e_shentsize} * header.e_shnum <= size - header.e_shoff;
#else
  return true;
#endif
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
      wanted.empty() ? own_path().replace_filename(kFileName) : utf8_path(wanted), ignored);
  const std::u8string name = file.u8string();
  const std::string path(name.begin(), name.end());
  if (!std::filesystem::is_regular_file(file, ignored)) {
    refuse("this package's CUDA library is not there: " + path +
           " is no file. It is part of the packages for Linux x64; QWEN3_EMBED_CUDA_LIBRARY names another");
  }
  if (!is_whole(file)) refuse(path + " was cut short: install the package again");
  void* const library = open_library(file);
  if (!library) refuse("the CUDA library does not load: " + system_message());
  const auto version = reinterpret_cast<decltype(&qwen3_cuda_interface_version)>(
      symbol(library, "qwen3_cuda_interface_version"));
  const auto create = reinterpret_cast<decltype(&qwen3_cuda_create)>(symbol(library, "qwen3_cuda_create"));
  if (!version || !create) refuse(path + " is no CUDA library of this package");
  if (version() != kCudaInterfaceVersion) {
    refuse(path + " has interface " + std::to_string(version()) + ", this package needs " +
           std::to_string(kCudaInterfaceVersion) + ": install the package again, all of it");
  }
  return {path, create};
}

}  // namespace

std::unique_ptr<Backend> open_cuda_backend(const std::string& path, int32_t ordinal, DType input,
                                           std::string* opened) {
  // Never destroyed: a thread may be here when the process exits.
  static auto& mutex = *new std::mutex;
  static auto& library = *new Library;
  const std::lock_guard lock(mutex);
  if (!library.create) library = open(path);
  if (opened) *opened = library.path;
  char message[512] = "";
  std::unique_ptr<Backend> backend(library.create(ordinal, input, message, sizeof message));
  if (!backend) {
    const bool blames_driver = std::string_view(message).find("driver") != std::string_view::npos;
    refuse("CUDA device " + std::to_string(ordinal) + " does not open: " + message + " (" + library.path +
           ")" +
           (blames_driver ? ". It needs an NVIDIA driver as new as its CUDA: 580 or newer for CUDA 13" : ""));
  }
  return backend;
}

}  // namespace qwen3
