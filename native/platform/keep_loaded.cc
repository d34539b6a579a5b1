#include "platform/keep_loaded.h"

#if defined(_WIN32)
#include <windows.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace qwen3 {

void keep_loaded() {
#if defined(_WIN32)
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&keep_loaded), &self);
#elif defined(__APPLE__)
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&keep_loaded), &self))
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
#endif
  // Elsewhere the linker has been told: -z nodelete.
}

}  // namespace qwen3
