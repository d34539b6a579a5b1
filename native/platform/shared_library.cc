#include "platform/shared_library.h"

#ifdef _WIN32
#ifndef NOMINMAX  // MinGW defines it
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <dlfcn.h>
#endif
#ifdef __linux__
#include <elf.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#endif

namespace qwen3 {

#ifdef _WIN32

void keep_loaded() {
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&keep_loaded), &self);
}

std::filesystem::path own_library() {
  HMODULE module = nullptr;
  wchar_t path[32768];
  GetModuleHandleExW(
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
      reinterpret_cast<LPCWSTR>(&own_library), &module);
  return std::filesystem::path(path, path + GetModuleFileNameW(module, path, 32768));
}

std::string library_file_name(const std::string& name) { return name + ".dll"; }

void* open_library(const std::filesystem::path& file) {
  return LoadLibraryExW(file.c_str(), nullptr,
                        LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
}

std::string library_error() {
  char* text = nullptr;
  const DWORD length = FormatMessageA(
      FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
      nullptr, GetLastError(), 0, reinterpret_cast<char*>(&text), 0, nullptr);
  const std::string message(text ? text : "", length);
  LocalFree(text);
  return message.substr(0, message.find_last_not_of("\r\n") + 1);
}

void* library_symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

#else

void keep_loaded() {
#ifdef __APPLE__
  dlopen(own_library().c_str(), RTLD_NOW | RTLD_NODELETE);
#endif
  // On Linux the linker option -z nodelete does this.
}

std::filesystem::path own_library() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(&own_library), &info) ? info.dli_fname : "";
}

std::string library_file_name(const std::string& name) { return "lib" + name + ".so"; }

void* open_library(const std::filesystem::path& file) {
  return dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
}

std::string library_error() {
  const char* message = dlerror();
  return message ? message : "";
}

void* library_symbol(void* library, const char* name) { return dlsym(library, name); }

#endif

bool is_complete_library([[maybe_unused]] const std::filesystem::path& file) {
#ifdef __linux__
  // The section header table is at the end of the file.
  Elf64_Ehdr header{};
  std::ifstream(file, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(file, error);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return true;
  return !error && size >= sizeof header && header.e_shoff <= size &&
         uint64_t{header.e_shentsize} * header.e_shnum <= size - header.e_shoff;
#else
  return true;
#endif
}

}  // namespace qwen3
