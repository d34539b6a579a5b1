#include "devices/open_device.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <system_error>

#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "devices/cuda_library.h"
#include "error.h"
#include "platform/processor.h"
#include "reference/reference_backend.h"

namespace qwen3 {
namespace {

constexpr const char* kNames[] = {"f32", "bf16", "f16", "int8"};
constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16, DType::s8};

// The process's pool. It grows to the largest number that a backend asks for and ends with the last
// backend.
std::shared_ptr<ThreadPool> process_pool() {
  static std::mutex mutex;
  static auto* const known = new std::weak_ptr<ThreadPool>;  // never destroyed: used until exit
  const std::lock_guard lock(mutex);
  std::shared_ptr<ThreadPool> pool = known->lock();
  if (!pool) *known = pool = std::make_shared<ThreadPool>();
  return pool;
}

Isa instruction_set(const std::string& word) {
  if (word.empty()) return best_isa();
  const std::optional<Isa> isa = parse_isa(word);
  const std::vector<Isa> available = available_isas();
  if (!isa || std::find(available.begin(), available.end(), *isa) == available.end()) {
    std::string words;
    for (const Isa each : available)
      words += std::string(words.empty() ? "" : ", ") + to_string(each);
    throw Error(ErrorCode::device_unavailable, "QWEN3_EMBED_CPU=" + word.substr(0, 60) +
                                                   " is not available: this machine supports " +
                                                   words);
  }
  return *isa;
}

bool is_cuda(std::string_view device) { return device.starts_with("cuda"); }

// The precisions that a device supports. The first is its default for a checkpoint whose dtype it
// does not support.
std::vector<Precision> precisions(std::string_view device) {
  using enum Precision;
  if (device == "cpu") return {f32, bf16};
  if (device == "reference") return {f32};
  if (is_cuda(device)) return {bf16, f16, int8};
  throw Error(ErrorCode::device_unavailable, "there is no device '" + std::string(device) + "'");
}

bool offers(std::string_view device, Precision precision) {
  const std::vector<Precision> offered = precisions(device);
  return std::find(offered.begin(), offered.end(), precision) != offered.end();
}

Precision choose(const std::optional<Precision>& wanted, const std::string& device, DType stored) {
  if (!wanted) {
    const auto own = static_cast<Precision>(std::find(kTypes, std::end(kTypes), stored) - kTypes);
    return offers(device, own) ? own : precisions(device)[0];
  }
  if (offers(device, *wanted)) return *wanted;
  std::string list;
  for (const Precision p : precisions(device))
    list += std::string(list.empty() ? "" : ", ") + to_string(p);
  const std::string problem = "device \"" + device + "\" does not support " + to_string(*wanted);
  throw Error(ErrorCode::precision_unsupported, problem + ": it supports " + list);
}

// "cuda": GPU 0; "cuda:N": GPU N.
int32_t ordinal(const std::string& device) {
  return device.size() > 5 ? static_cast<int32_t>(std::stoi(device.substr(5))) : 0;
}

OpenDevice open_named(const std::string& device, const DeviceRequest& request, DType stored) {
  const Precision precision = choose(request.precision, device, stored);
  const DType input = kTypes[static_cast<size_t>(precision)];
  if (is_cuda(device)) {
    const int32_t gpu = ordinal(device);
    std::string library;
    std::unique_ptr<Backend> backend =
        open_cuda_backend(request.cuda_library, gpu, input, &library);
    return {"cuda:" + std::to_string(gpu), precision, std::move(backend),
            "CUDA library " + library};
  }
  if (device == "reference") return {device, precision, open_reference_backend(), ""};
  const uint32_t threads = request.threads ? request.threads : physical_cores();
  const Isa isa = instruction_set(request.instruction_set);
  try {
    return {device, precision, open_cpu_backend(isa, input, {process_pool(), threads}), ""};
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::device_unavailable,
                "the system does not allow " + std::to_string(threads) + " threads (" +
                    error.what() + "): pass a smaller number as threads, or raise the limit");
  }
}

}  // namespace

const char* to_string(Precision precision) { return kNames[static_cast<size_t>(precision)]; }

std::optional<Precision> parse_precision(std::string_view word) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), word);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Precision>(found - std::begin(kNames));
}

OpenDevice open_device(const DeviceRequest& request, DType stored) {
  if (request.device != "auto") return open_named(request.device, request, stored);
  std::string note;
  if (!request.precision || offers("cuda", *request.precision)) {
    try {
      return open_named("cuda", request, stored);
    } catch (const Error& error) {  // DEVICE_UNAVAILABLE: the precision is supported
      note = error.what();
    }
  }
  OpenDevice opened = open_named("cpu", request, stored);
  opened.note = note;
  return opened;
}

}  // namespace qwen3
