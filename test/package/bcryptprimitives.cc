// bcryptprimitives.dll, which Wine 8 lacks. Rust programs, such as `tokenizers`, get random bytes
// from it.
#include <windows.h>

extern "C" {
BOOLEAN WINAPI SystemFunction036(void* to, ULONG bytes);  // RtlGenRandom

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE* to, SIZE_T bytes) {
  return SystemFunction036(to, static_cast<ULONG>(bytes));
}
}
