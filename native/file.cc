#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.h"

namespace qwen3 {

File::File(const std::string& path) : path_(path) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw Error(ErrorCode::model_not_found, path + ": " + std::strerror(errno));
  struct stat about;
  if (fstat(descriptor_, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(descriptor_);
    throw Error(ErrorCode::model_invalid, path + " is not a regular file");
  }
  size_ = static_cast<uint64_t>(about.st_size);
#ifdef __APPLE__
  const struct timespec changed = about.st_ctimespec;
#else
  const struct timespec changed = about.st_ctim;
#endif
  for (const uint64_t part :
       {static_cast<uint64_t>(about.st_dev), static_cast<uint64_t>(about.st_ino), size_,
        static_cast<uint64_t>(changed.tv_sec), static_cast<uint64_t>(changed.tv_nsec)}) {
    identity_ += std::to_string(part) + ":";
  }
}

File::~File() { close(descriptor_); }

void File::read(uint64_t offset, void* to, size_t bytes) const {
  char* next = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = pread(descriptor_, next, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::model_invalid, path_ + ": " + std::strerror(errno));
    if (got == 0) throw Error(ErrorCode::model_invalid, path_ + " was cut short while it was read");
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

}  // namespace qwen3
