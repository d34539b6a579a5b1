// Windows: resolves Node's functions in the running program, whatever its name (node.exe,
// electron.exe). Node's import library declares them as delayed imports of node.exe. This hook is
// called at the first call of one of them.
#ifdef _WIN32
// delayimp.h requires windows.h before it.
// clang-format off
#include <windows.h>
#include <delayimp.h>
// clang-format on

#include <cstring>

namespace {

FARPROC WINAPI find_node(unsigned event, PDelayLoadInfo about) {
  if (event != dliNotePreLoadLibrary || _stricmp(about->szDll, "node.exe") != 0) return nullptr;
  return reinterpret_cast<FARPROC>(GetModuleHandleW(nullptr));
}

// MinGW's library defines the pointer. No function of Node is called before this sets it.
const bool hooked = ((__pfnDliNotifyHook2 = find_node), true);

}  // namespace
#endif
