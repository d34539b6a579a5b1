// A file that is read at offsets. It is not mapped: if a mapped file is truncated, reading it kills
// the process.
#pragma once
#include <cstdint>
#include <string>

namespace qwen3 {

class File {
 public:
  // `path` is UTF-8. Throws Error: model_not_found; model_invalid if it is not a regular file.
  explicit File(const std::string& path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  uint64_t size() const { return size_; }
  // Reads exactly `bytes` at `offset`, or throws Error(model_invalid). Any thread may call it.
  void read(uint64_t offset, void* to, size_t bytes) const;

 private:
  std::string path_;
  uint64_t size_;
#ifdef _WIN32
  void* handle_;
#else
  int descriptor_;
#endif
};

}  // namespace qwen3
