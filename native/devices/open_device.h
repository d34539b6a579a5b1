// Opens a backend by the names of its device and precision.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace qwen3 {

// The format of weights and of the inputs of matrix products. Sums are at least f32; sums of int8
// products are s32.
enum class Precision : uint8_t { f32, bf16, f16, int8 };

const char* to_string(Precision precision);
std::optional<Precision> parse_precision(std::string_view word);

struct DeviceRequest {
  // "auto", "cpu", "cuda", "cuda:N", "reference".
  std::string device;
  // None: the dtype in which the weights are stored, if the device supports it.
  std::optional<Precision> precision;
  // CPU only. 0: one per physical core.
  uint32_t threads = 0;
  // CPU only: a name that parse_isa accepts. Empty: the best.
  std::string instruction_set;
  // Path. Empty: the library next to the addon.
  std::string cuda_library;
};

struct OpenDevice {
  // "cpu", "cuda:N", "reference".
  std::string device;
  Precision precision;
  std::unique_ptr<Backend> backend;
  // For diagnostics: which CUDA library was opened, or why "auto" did not select a GPU.
  std::string note;
};

// `stored`: the dtype of the checkpoint's matrices. "auto" selects the first CUDA GPU if it opens
// and supports the precision, otherwise the CPU. All CPU backends share one pool of threads. Throws
// Error: device_unavailable, precision_unsupported.
OpenDevice open_device(const DeviceRequest& request, DType stored);

}  // namespace qwen3
