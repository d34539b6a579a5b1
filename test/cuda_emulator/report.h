// Source locations, and the texts of reports.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace emulator {

// A fault of the running kernel.
struct Fault : std::runtime_error {
  using runtime_error::runtime_error;
};

// A source location in 32 bits: the shadow memory stores three for every byte.
using Site = uint32_t;

Site site_of(const char* file, int line);
Site site_of(const void* return_address);
std::string describe(Site site);                   // "gemm.cu:41"
std::string function_name(const void* function);   // without arguments or anonymous namespaces
std::string ranges(const std::vector<int>& list);  // "0-31,64"

// "a", 1, "b" -> "a1b"
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::string all;
  const auto add = [&](const auto& part) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) {
      all += std::to_string(part);
    } else {
      all += part;
    }
  };
  (add(parts), ...);
  return all;
}

}  // namespace emulator
