// The emulated device of emulator_conformance is a Hopper GPU, which has every instruction that is
// emulated.
#include "emulator.h"

namespace {

const bool is_hopper = [] {
  emulator::options.capability = 90;
  return true;
}();

}  // namespace
