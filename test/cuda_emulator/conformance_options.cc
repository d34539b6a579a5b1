// The emulated device of emulator_conformance is a Hopper GPU: they have all instructions that the others have.
#include "emulator.h"

namespace {

const bool is_hopper = [] {
  emulator::options.capability = 90;
  return true;
}();

}  // namespace
