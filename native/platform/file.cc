#include "platform/file.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "error.h"

namespace qwen3 {

#ifdef _WIN32
namespace {

std::string last_error() {
  return std::system_category().message(static_cast<int>(GetLastError()));
}

std::wstring wide(const std::string& utf8) {
  const int bytes = static_cast<int>(utf8.size());
  std::wstring text(
      static_cast<size_t>(MultiByteToWideChar(CP_UTF8, 0, utf8.data(), bytes, nullptr, 0)), 0);
  MultiByteToWideChar(CP_UTF8, 0, utf8.data(), bytes, text.data(), static_cast<int>(text.size()));
  return text;
}

uint64_t joined(DWORD high, DWORD low) { return uint64_t{high} << 32 | low; }

}  // namespace

File::File(const std::string& path) : path_(path) {
  // Other processes may rename or delete the file while it is open, as on other systems, but not
  // write it: its times would not show that before they close it.
  handle_ = CreateFileW(wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                        nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle_ == INVALID_HANDLE_VALUE)
    throw Error(ErrorCode::model_not_found, path + ": " + last_error());
  BY_HANDLE_FILE_INFORMATION about;
  if (GetFileType(handle_) != FILE_TYPE_DISK || !GetFileInformationByHandle(handle_, &about)) {
    CloseHandle(handle_);
    throw Error(ErrorCode::model_invalid, path + " is not a regular file");
  }
  size_ = joined(about.nFileSizeHigh, about.nFileSizeLow);
}

File::~File() { CloseHandle(handle_); }

void File::read(uint64_t offset, void* to, size_t bytes) const {
  char* next = static_cast<char*>(to);
  while (bytes > 0) {
    OVERLAPPED from{};
    from.Offset = static_cast<DWORD>(offset);
    from.OffsetHigh = static_cast<DWORD>(offset >> 32);
    DWORD got = 0;
    const DWORD most = static_cast<DWORD>(std::min(bytes, size_t{1} << 30));
    if (!ReadFile(handle_, next, most, &got, &from) && GetLastError() != ERROR_HANDLE_EOF) {
      throw Error(ErrorCode::model_invalid, path_ + ": " + last_error());
    }
    if (got == 0) throw Error(ErrorCode::model_invalid, path_ + " was truncated while it was read");
    next += got;
    offset += got;
    bytes -= got;
  }
}

#else

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
}

File::~File() { close(descriptor_); }

void File::read(uint64_t offset, void* to, size_t bytes) const {
  char* next = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = pread(descriptor_, next, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::model_invalid, path_ + ": " + std::strerror(errno));
    if (got == 0) throw Error(ErrorCode::model_invalid, path_ + " was truncated while it was read");
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

#endif

}  // namespace qwen3
