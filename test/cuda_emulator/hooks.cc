// The functions that g++ -fsanitize=thread calls for every plain load and store of the .cu files.
// No sanitizer library is linked, and the emulator's own files are built without the option.
#include "block.h"

namespace {

using namespace emulator;

void on_access(const void* p, size_t bytes, bool aligned, Access access,
               const void* return_address) {
  const Site site = site_of(return_address);
  if (!block.running) {
    if (is_device_only(p)) fail("host code accesses device memory at " + describe(site));
    return;
  }
  if (aligned) check_alignment(p, bytes, site);
  check_access(p, bytes, access, site, block.me, block.clock());
}

}  // namespace

#define QWEN3_EMULATOR_HOOKS(n)                                         \
  void __tsan_read##n(void* p) {                                        \
    on_access(p, n, true, Access::read, __builtin_return_address(0));   \
  }                                                                     \
  void __tsan_write##n(void* p) {                                       \
    on_access(p, n, true, Access::write, __builtin_return_address(0));  \
  }                                                                     \
  void __tsan_unaligned_read##n(void* p) {                              \
    on_access(p, n, false, Access::read, __builtin_return_address(0));  \
  }                                                                     \
  void __tsan_unaligned_write##n(void* p) {                             \
    on_access(p, n, false, Access::write, __builtin_return_address(0)); \
  }

extern "C" {
QWEN3_EMULATOR_HOOKS(1)
QWEN3_EMULATOR_HOOKS(2)
QWEN3_EMULATOR_HOOKS(4)
QWEN3_EMULATOR_HOOKS(8)
QWEN3_EMULATOR_HOOKS(16)
void __tsan_read_range(void* p, long n) {
  on_access(p, static_cast<size_t>(n), false, Access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, long n) {
  on_access(p, static_cast<size_t>(n), false, Access::write, __builtin_return_address(0));
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
}
