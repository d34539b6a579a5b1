// A CUDA library of another release: the addon must call only its version function.
#include <cstdint>
#include <cstdlib>

extern "C" {
__attribute__((visibility("default"))) uint32_t qwen3_cuda_interface_version() { return 0; }
__attribute__((visibility("default"))) void* qwen3_cuda_create() { std::abort(); }
}
