// The reference backend: defines the result of every op by one plain loop with sums in double.
// Slow, but simple enough to verify by reading.
#pragma once
#include <memory>

#include "backend/backend.h"

namespace qwen3 {

std::unique_ptr<Backend> open_reference_backend();

}  // namespace qwen3
