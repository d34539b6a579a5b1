// What Wine 8 lacks of Windows: the library that Rust's programs, `tokenizers` among them, ask for random bytes.
#include <windows.h>

extern "C" {
BOOLEAN WINAPI SystemFunction036(void* to, ULONG bytes);  // RtlGenRandom

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE* to, SIZE_T bytes) {
  return SystemFunction036(to, static_cast<ULONG>(bytes));
}
}
