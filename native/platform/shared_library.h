// Shared libraries: the one that this code is part of, and others that it opens by name.
#pragma once
#include <filesystem>
#include <string>

namespace qwen3 {

// Keeps this library in memory until the process ends: Node unloads an addon that only a worker had loaded when that
// worker ends, while the engine thread still runs in it.
void keep_loaded();

// The file that this code was loaded from.
std::filesystem::path own_library();

// What the system calls a library of that name: libNAME.so, NAME.dll.
std::string library_file_name(const std::string& name);

// Whether the file has its end. Linux kills a process that maps a library which was cut short. What is no library at all
// counts as whole: opening it says what it is.
bool is_whole_library(const std::filesystem::path& file);

// Null where it does not load; library_error() then has the system's words. It is never closed.
void* open_library(const std::filesystem::path& file);
std::string library_error();

// Null where there is none of that name.
void* library_symbol(void* library, const char* name);

}  // namespace qwen3
