// Files that are read at offsets, and files that are no such files.
#include "platform/file.h"

#include <cstring>

#include "expect_error.h"
#include "platform/platform_tests.h"
#include "platform/shared_library.h"
#include "temporary_folder.h"
#ifdef __linux__
#include <elf.h>
#include <sys/stat.h>
#endif

namespace qwen3::test {
namespace {

void reads_exactly_what_is_there() {
  const TemporaryFolder folder;
  folder.write("/file", "0123456789");
  const File file(folder.path() + "/file");
  expect(file.size() == 10, "the size");
  std::string part(4, '-');
  file.read(3, part.data(), 4);
  expect(part == "3456", "the middle: " + part);
  file.read(6, part.data(), 4);
  expect(part == "6789", "the end: " + part);
  file.read(10, part.data(), 0);
  const auto past_the_end = [&] { file.read(7, part.data(), 4); };
  expect_error(ErrorCode::model_invalid, "/file was truncated while it was read", past_the_end);
}

#ifdef __linux__  // elsewhere the file may take 4 GiB of the disk
void reads_past_4_gib() {
  const TemporaryFolder folder;
  folder.write("/file", "");
  const uint64_t end = (uint64_t{1} << 32) + 10;
  std::filesystem::resize_file(folder.path() + "/file", end);  // sparse
  std::ofstream(folder.path() + "/file", std::ios::in | std::ios::binary)
      .seekp(static_cast<std::streamoff>(end - 4))
      .write("last", 4);
  const File file(folder.path() + "/file");
  expect(file.size() == end, "the size");
  std::string part(4, '-');
  file.read(end - 4, part.data(), 4);
  expect(part == "last", "the end: " + part);
}
#endif

void refuses_what_is_no_file() {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/nothing";
  expect_error(ErrorCode::model_not_found, path + ": ", [&] { File{path}; });
#ifdef __linux__
  expect(mkfifo(path.c_str(), 0600) == 0, "cannot create a pipe");
  expect_error(ErrorCode::model_invalid, path + " is not a regular file", [&] { File{path}; });
#endif
}

#ifdef __linux__
size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

void closes_its_descriptor() {
  const TemporaryFolder folder;
  folder.write("/file", "content");
  const size_t before = open_descriptors();
  {
    const File file(folder.path() + "/file");
    expect(open_descriptors() == before + 1, "a file uses no descriptor");
  }
  expect(open_descriptors() == before, "a closed file leaves a descriptor");
  expect_error(ErrorCode::model_invalid, "not a regular file", [&] { File{folder.path()}; });
  expect(open_descriptors() == before, "a folder leaves a descriptor");
}

// A library of which only the header exists.
void truncated_libraries_are_recognized() {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/library";
  const auto complete = [&](const Elf64_Ehdr& header, size_t bytes) {
    std::string content(bytes, '\0');
    std::memcpy(content.data(), &header, std::min(bytes, sizeof header));
    folder.write("/library", content);
    return is_complete_library(path);
  };
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_shoff = 1000;
  header.e_shentsize = 64;
  header.e_shnum = 3;
  expect(complete(header, 1192), "ends with the section headers");
  expect(!complete(header, 1191), "lacks their last byte");
  expect(!complete(header, 900), "ends before them");
  expect(!complete(header, 10), "ends in the header");
  header.e_shoff = UINT64_MAX - 100;
  expect(!complete(header, 2000), "an offset near 2^64");
  header.e_ident[0] = '#';
  expect(complete(header, 10), "not a library");
  expect(is_complete_library(folder.path() + "/nothing"), "no file");
}
#endif

}  // namespace

void add_file_tests(Tests& tests) {
  tests.insert(tests.end(), {{"file: reads exactly what is there", reads_exactly_what_is_there},
                             {"file: reads past 4 GiB", reads_past_4_gib},
                             {"file: refuses what is no file", refuses_what_is_no_file}});
#ifdef __linux__
  tests.push_back({"file: closes its descriptor", closes_its_descriptor});
  tests.push_back({"library: truncated ones are recognized", truncated_libraries_are_recognized});
#endif
}

}  // namespace qwen3::test
