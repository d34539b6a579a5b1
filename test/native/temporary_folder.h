// A folder that is removed with this object.
#pragma once
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "harness.h"

namespace qwen3::test {

class TemporaryFolder {
 public:
  // The name has the time: std::random_device would require a newer glibc than a GPU host may have.
  TemporaryFolder() {
    do {
      const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
      path_ = std::filesystem::temp_directory_path() / ("qwen3-test-" + std::to_string(now));
    } while (!std::filesystem::create_directory(path_));  // another one may have the same time
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path() const { return path_.string(); }

  // Writes a file in a folder that may not exist yet. `name` begins with a slash.
  void write(const std::string& name, const std::string& content) const {
    const std::filesystem::path file = path() + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    expect(std::filesystem::file_size(file) == content.size(), "cannot write " + file.string());
  }

 private:
  std::filesystem::path path_;
};

}  // namespace qwen3::test
