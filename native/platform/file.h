// A file that is read at offsets. Not mapped: a mapped file that is cut short kills the process.
#pragma once
#include <cstdint>
#include <string>

namespace qwen3 {

class File {
 public:
  // Throws Error: model_not_found, or model_invalid for what is not a regular file. `path` is UTF-8.
  explicit File(const std::string& path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  uint64_t size() const { return size_; }
  // Names the file's present content: another file, another size or another time of change gives another identity.
  const std::string& identity() const { return identity_; }
  // Reads exactly `bytes` at `offset` or throws Error(model_invalid). Any thread.
  void read(uint64_t offset, void* to, size_t bytes) const;

 private:
  std::string path_, identity_;
  uint64_t size_;
#ifdef _WIN32
  void* handle_;
#else
  int descriptor_;
#endif
};

}  // namespace qwen3
