#include "open_backend.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>

#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "error.h"
#include "reference_backend.h"

namespace qwen3 {
namespace {

constexpr const char* kNames[] = {"f32", "bf16", "f16", "int8"};

std::shared_ptr<ThreadPool> process_pool(uint32_t threads) {
  static std::mutex mutex;
  // Never destroyed: its threads may be at work when the process exits.
  static auto* const pool = new std::shared_ptr<ThreadPool>;
  const std::lock_guard lock(mutex);
  if (!*pool) *pool = std::make_shared<ThreadPool>(threads ? threads : physical_cores());
  if (threads && threads != (*pool)->threads()) {
    throw std::invalid_argument("threads belongs to the process, which already has " +
                                std::to_string((*pool)->threads()) +
                                ": leave it out or pass the same number");
  }
  return *pool;
}

// QWEN3_EMBED_CPU forces an instruction set other than the machine's best.
Isa chosen_isa() {
  const char* word = std::getenv("QWEN3_EMBED_CPU");
  if (!word || !*word) return best_isa();
  const std::optional<Isa> isa = parse_isa(word);
  const std::vector<Isa> available = available_isas();
  if (!isa || std::find(available.begin(), available.end(), *isa) == available.end()) {
    std::string words;
    for (const Isa each : available) words += std::string(words.empty() ? "" : ", ") + to_string(each);
    throw Error(ErrorCode::device_unavailable,
                std::string("QWEN3_EMBED_CPU=") + word + ": this machine runs " + words);
  }
  return *isa;
}

}  // namespace

const char* to_string(Precision precision) { return kNames[static_cast<size_t>(precision)]; }

std::optional<Precision> parse_precision(std::string_view word) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), word);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Precision>(found - std::begin(kNames));
}

std::vector<Precision> precisions(std::string_view device) {
  if (device == "cpu") return {Precision::f32, Precision::bf16};
  if (device == "reference") return {Precision::f32};
  throw Error(
      ErrorCode::device_unavailable,
      "device '" + std::string(device) + "' is not built into this package: there are 'cpu' and 'reference'");
}

std::unique_ptr<Backend> open_backend(std::string_view device, Precision precision, uint32_t threads) {
  const std::vector<Precision> offered = precisions(device);
  if (std::find(offered.begin(), offered.end(), precision) == offered.end()) {
    std::string list;
    for (const Precision p : offered) list += std::string(list.empty() ? "" : ", ") + to_string(p);
    throw Error(ErrorCode::precision_unsupported, "device '" + std::string(device) + "' does not compute " +
                                                      to_string(precision) + ": it offers " + list);
  }
  if (device == "reference") return open_reference_backend();
  return open_cpu_backend(chosen_isa(), precision == Precision::bf16 ? DType::bf16 : DType::f32,
                          process_pool(threads));
}

}  // namespace qwen3
