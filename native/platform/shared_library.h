// Shared libraries: the one that contains this code, and others that it opens by name.
#pragma once
#include <filesystem>
#include <string>

namespace qwen3 {

// Keeps this library in memory until the process ends. Otherwise, if only a worker loaded the
// addon, Node would unload it when that worker ends, while the engine thread still runs in it.
void keep_loaded();

// The file from which this code was loaded.
std::filesystem::path own_library();

// The file name of library `name` on this system: libNAME.so or NAME.dll.
std::string library_file_name(const std::string& name);

// Whether the file is not truncated. Linux kills a process that maps a truncated library. A file
// that is not a library counts as complete: open_library then fails with the reason. Always true on
// systems other than Linux.
bool is_complete_library(const std::filesystem::path& file);

// Returns null if the library does not load; library_error() then returns the system's message. The
// library is never closed.
void* open_library(const std::filesystem::path& file);
std::string library_error();

// Returns null if the library has no symbol of that name.
void* library_symbol(void* library, const char* name);

}  // namespace qwen3
