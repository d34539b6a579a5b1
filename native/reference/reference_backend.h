// The backend that defines what every op means: one plain loop each, sums in double. Slow, and right by inspection.
#pragma once
#include <memory>

#include "backend/backend.h"

namespace qwen3 {

std::unique_ptr<Backend> open_reference_backend();

}  // namespace qwen3
