// Tests that need a real GPU: other CUDA users in the process, free memory, memory after a release.
#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <future>
#include <utility>

#include "error.h"
#include "gpu.h"
#include "models/tiny_model.h"
#include "ops/guarded.h"
#include "random.h"

namespace qwen3::test {
namespace {

void expect_success(cudaError_t error) { expect(error == cudaSuccess, cudaGetErrorString(error)); }

void refuses_a_missing_gpu() {
  try {
    open_gpu(DType::bf16, 99);
  } catch (const Error& error) {
    expect(error.code == ErrorCode::device_unavailable, "the wrong error");
    return;
  }
  throw Failure("GPU 99 opens");
}

// On Hopper the portable kernels would pass every other test unnoticed.
void uses_hopper_kernels_on_hopper() {
  cudaDeviceProp gpu;
  expect_success(cudaGetDeviceProperties(&gpu, 0));
  const char* hopper = std::getenv("QWEN3_EMBED_HOPPER");
  const bool is_hopper =
      gpu.major == 9 && gpu.minor == 0 && !(hopper && std::strcmp(hopper, "0") == 0);
  const std::string wanted = std::string(gpu.name) + ", sm_" + std::to_string(gpu.major) +
                             std::to_string(gpu.minor) + (is_hopper ? "a" : "");
  for (const DType input : {DType::bf16, DType::f16, DType::s8}) {
    const std::string actual = open_gpu(input)->traits().instruction_set;
    expect(actual == wanted, "'" + actual + "', not '" + wanted + "'");
  }
}

// Returns norms of some rows, which are the same for all backends.
std::vector<float> run_norm(Device& device) {
  constexpr uint32_t kRows = 70, kCols = 300;
  const std::vector<float> values = Random(5).values(size_t{kRows} * kCols), ones(kCols, 1.0f);
  const GuardedMatrix x(device, kRows, kCols, 0, DType::f32, &values);
  const GuardedMatrix out(device, kRows, kCols, 0, device.normed);
  const StoredWeight gain(device, WeightUse::gain, 1, kCols, ones);
  device.backend.rms_norm(x, gain, 1e-6f, out);
  device.sync();
  return out.read();
}

// Another library in the process uses the GPU: its memory and its error state stay as they were.
// The backend runs on a thread of its own, as in the addon.
void coexists_with_other_cuda_users() {
  constexpr size_t kBytes = 1 << 20;
  int count = 0;
  expect_success(cudaGetDeviceCount(&count));
  expect_success(cudaSetDevice(count - 1));
  void* memory;
  expect_success(cudaMalloc(&memory, kBytes));
  expect_success(cudaMemset(memory, 0x5a, kBytes));
  std::async(std::launch::async, [] {
    Device device(gpu_entry("", DType::bf16, 1000), 0);
    run_norm(device);
  }).get();
  std::vector<unsigned char> bytes(kBytes);
  download(bytes.data(), memory, kBytes);
  expect(bytes.front() == 0x5a && bytes[kBytes / 2] == 0x5a && bytes.back() == 0x5a,
         "memory of the other user changed");
  expect_success(cudaFree(memory));
  expect_success(cudaGetLastError());
}

void two_are_open_at_once() {
  Device first(gpu_entry("", DType::bf16, 1000), 0);
  const std::vector<float> wanted = run_norm(first);
  {
    Device second(gpu_entry("", DType::bf16, 1000), 0);
    std::future<std::vector<float>> other =
        std::async(std::launch::async, [&] { return run_norm(second); });
    expect(run_norm(first) == wanted && other.get() == wanted, "two backends interfere");
  }
  expect(run_norm(first) == wanted, "closing one backend changes the results of the other");
}

void released_memory_is_available_again() {
  constexpr size_t kBytes = size_t{256} << 20;
  const std::unique_ptr<Backend> backend = open_gpu(DType::bf16);
  const size_t before = backend->available_bytes();
  void* const memory = backend->allocate(kBytes);
  expect(memory != nullptr, "256 MiB cannot be allocated");
  const size_t during = backend->available_bytes();
  backend->release(memory);
  const size_t after = backend->available_bytes();
  expect(during + kBytes / 2 < before, "an allocation does not reduce the available bytes");
  expect(after + kBytes / 2 > before, "released memory is not available again");
  expect(backend->allocate(before + (size_t{64} << 30)) == nullptr,
         "more memory is allocated than there is");
  expect(backend->sync() == nullptr, "a refused allocation makes sync fail");
}

// Runs every kernel once or twice, for compute-sanitizer, under which a kernel takes a hundred
// times as long. The longest text crosses a page boundary. The second batch reuses the memory of
// the first.
void runs_a_small_model(DType input, bool large) {
  const std::shared_ptr<LoadedModel> loaded = load_tiny_model(open_gpu(input));
  std::vector<Ids> texts;
  for (const uint32_t length : {65u, 1u, 7u}) {
    texts.push_back(random_ids(length, length, loaded->model->config.vocabulary));
  }
  if (!large) texts.erase(texts.begin());  // few tokens: the small plan
  const std::vector<Vector> first = embed(*loaded, texts, 72);
  const std::vector<Vector> second = embed(*loaded, texts, 72);
  for (size_t i = 0; i < texts.size(); ++i) {
    expect(first[i].finite, "a vector is not finite");
    expect(first[i].values == second[i].values, "the same batch has other bits");
  }
}

}  // namespace

void add_gpu_only_tests(Tests& tests) {
  tests.push_back({"gpu: refuses a missing GPU", refuses_a_missing_gpu});
  tests.push_back({"gpu: uses Hopper's kernels on Hopper", uses_hopper_kernels_on_hopper});
  tests.push_back({"gpu: coexists with other CUDA users", coexists_with_other_cuda_users});
  tests.push_back({"gpu: two backends at once, on two threads", two_are_open_at_once});
  tests.push_back({"gpu: released memory is available again", released_memory_is_available_again});
  for (const auto& [name, input] :
       {std::pair{"bf16", DType::bf16}, {"f16", DType::f16}, {"int8", DType::s8}}) {
    for (const bool large : {true, false}) {
      tests.push_back({std::string("short: a small model in ") + name +
                           (large ? ", large plan" : ", small plan"),
                       [=] { runs_a_small_model(input, large); }});
    }
  }
}

}  // namespace qwen3::test
