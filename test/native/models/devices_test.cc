// Devices by name: what each load gets, what all share, and why a device is not available.
#include <algorithm>
#include <filesystem>
#include <new>

#include "address_space.h"
#include "devices/open_device.h"
#include "expect_error.h"
#include "models/model_tests.h"

namespace qwen3::test {
namespace {

DeviceRequest request_of(const std::string& device) {
  DeviceRequest request;
  request.device = device;
  return request;
}

void expect_unavailable(const DeviceRequest& request, const std::string& part) {
  expect_error(ErrorCode::device_unavailable, part, [&] { open_device(request, DType::f32); });
}

void instruction_sets_of_other_machines_are_refused() {
  const std::vector<Isa> available = available_isas();
  for (const std::string word : {"avx2", "neon", "no-such-set"}) {
    const std::optional<Isa> isa = parse_isa(word);
    if (isa && std::find(available.begin(), available.end(), *isa) != available.end()) continue;
    DeviceRequest request = request_of("cpu");
    request.instruction_set = word;
    expect_unavailable(
        request, "QWEN3_EMBED_CPU=" + word + " is not available: this machine supports scalar");
  }
}

void auto_tells_why_it_chose_the_cpu() {
  DeviceRequest request = request_of("auto");
  request.cuda_library = "/no/such/library";
  const OpenDevice opened = open_device(request, DType::bf16);
  expect(opened.device == "cpu" && opened.precision == Precision::bf16, "another device");
  expect(opened.note.find("library is not a file") != std::string::npos,
         "the note: " + opened.note);
  request.precision = Precision::f32;
  const OpenDevice only_cpu = open_device(request, DType::bf16);
  expect(only_cpu.precision == Precision::f32 && only_cpu.note.empty(), "a GPU has no f32");
}

#ifdef __linux__
void the_cuda_library_is_beside_this_program() {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path().filename();
  expect_unavailable(request_of("cuda"),
                     (folder / "libqwen3_embed_cuda.so is not a file").string());
}

size_t threads_of_this_process() {
  const std::filesystem::directory_iterator entries("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

void cpu_backends_share_threads() {
  DeviceRequest request = request_of("cpu");
  request.threads = 4;
  const OpenDevice first = open_device(request, DType::f32);
  const size_t before = threads_of_this_process();
  const OpenDevice second = open_device(request, DType::bf16);
  expect(threads_of_this_process() <= before, "a second backend starts threads of its own");
  expect(second.backend->traits().threads == 4, "another number of threads");
}

#ifdef QWEN3_LIMIT_ADDRESS_SPACE
// There is address space for the stacks of a few.
void too_many_threads_are_refused() {
  DeviceRequest request = request_of("cpu");
  request.threads = 1000;
  try {
    const AddressSpaceLimit limit(rlim_t{100} << 20);
    open_device(request, DType::f32);
  } catch (const Error& error) {
    expect(error.code == ErrorCode::device_unavailable, to_string(error.code));
    const std::string message = error.what();
    expect(message.starts_with("the system does not allow 1000 threads ("), message);
  } catch (const std::bad_alloc&) {  // stacks of a few KiB fit, the threads' memory does not
  }
}
#endif
#endif

}  // namespace

void add_device_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"device: instruction sets of other machines are refused",
                 instruction_sets_of_other_machines_are_refused},
                {"device: auto tells why it chose the CPU", auto_tells_why_it_chose_the_cpu}});
#ifdef __linux__
  tests.insert(tests.end(), {{"device: the CUDA library is beside this program",
                              the_cuda_library_is_beside_this_program},
                             {"device: CPU backends share threads", cpu_backends_share_threads}});
#endif
#ifdef QWEN3_LIMIT_ADDRESS_SPACE
  tests.push_back({"device: too many threads are refused", too_many_threads_are_refused});
#endif
}

}  // namespace qwen3::test
