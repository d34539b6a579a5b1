// Device and precision by name -> Backend.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace qwen3 {

// What weights and matrix inputs are computed in; sums are f32 at least, of int8 s32.
enum class Precision : uint8_t { f32, bf16, f16, int8 };

const char* to_string(Precision precision);
std::optional<Precision> parse_precision(std::string_view word);

struct DeviceRequest {
  std::string device;  // "auto", "cpu", "cuda", "cuda:N", "reference"
  std::optional<Precision>
      precision;                // none: as the weights are stored, where the device computes that
  uint32_t threads = 0;         // of the CPU; 0: as the process has them
  std::string instruction_set;  // of the CPU, by its word; empty: the best
  std::string cuda_library;     // path; empty: the one beside the addon
};

struct OpenDevice {
  std::string device;  // "cpu", "cuda:N", "reference"
  Precision precision;
  std::unique_ptr<Backend> backend;
  std::string
      note;  // which library was opened, or why `auto` took no card; for people who look for it
};

// `stored`: how the checkpoint keeps its matrices. `auto` is the first CUDA card, if it opens and computes the precision, else
// the CPU. `threads` is the process's: the first CPU backend sets it (0: one per physical core), another number later throws
// std::invalid_argument. Throws Error: device_unavailable, precision_unsupported.
OpenDevice open_device(const DeviceRequest& request, DType stored);

}  // namespace qwen3
