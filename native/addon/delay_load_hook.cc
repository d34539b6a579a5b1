// Windows: Node's functions come from the program that runs, whatever it is called (node.exe, electron.exe). Node's
// import library names them as delayed imports of node.exe; this answers when the first of them is called.
#ifdef _WIN32
// The second needs the first.
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

// MinGW's library defines the pointer; nothing of Node's is called before this has set it.
const bool hooked = ((__pfnDliNotifyHook2 = find_node), true);

}  // namespace
#endif
