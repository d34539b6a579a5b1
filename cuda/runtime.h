// Every call into the CUDA runtime: devices, memory, streams, launches. test/cuda_emulator/runtime.h can take its place.
// A call gives null, or why it failed in the runtime's own words, which live for ever.
#ifndef QWEN3_CUDA_RUNTIME_H  // not #pragma once: whoever replaces this file defines the name
#define QWEN3_CUDA_RUNTIME_H
#include <cuda.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "launches.h"

namespace qwen3::cuda {

using Event = cudaEvent_t;
using Graph = cudaGraphExec_t;
using TensorMap = CUtensorMap;

inline Failure failure_of(cudaError_t error) {
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

struct Stream {
  cudaStream_t queue = nullptr;
  Launches* recording = nullptr;  // kernels go here instead
  bool overlaps =
      false;  // kernels may begin before those in front have ended: wait_for_previous of ptx.cuh
};

struct DeviceProperties {
  char name[256];
  int major, minor;  // compute capability
  int multiprocessors;
};

inline Failure count_devices(int* count) { return failure_of(cudaGetDeviceCount(count)); }

inline Failure describe_device(int device, DeviceProperties* properties) {
  cudaDeviceProp found;
  if (const Failure failure = failure_of(cudaGetDeviceProperties(&found, device))) return failure;
  std::memcpy(properties->name, found.name, sizeof properties->name);
  properties->major = found.major;
  properties->minor = found.minor;
  properties->multiprocessors = found.multiProcessorCount;
  return nullptr;
}

// Makes a device the thread's current one. It stays so: to put back a device that nobody has used would make a context on
// it, and the threads that come here are this package's own, or Node's where it drops a model.
inline Failure use_device(int device) { return failure_of(cudaSetDevice(device)); }

// A function of the driver as of version 12.0; null if it has none. Asked for by name, so that nothing is linked with it.
inline void* find_in_driver(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result;
  return cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &result) ==
                 cudaSuccess
             ? function
             : nullptr;
}

inline Failure create_stream(Stream* stream) {
  return failure_of(cudaStreamCreateWithFlags(&stream->queue, cudaStreamNonBlocking));
}
inline void destroy_stream(Stream stream) { cudaStreamDestroy(stream.queue); }

// For programs that have nothing else to do: it keeps a core busy, where waiting for an event sleeps.
inline Failure synchronize(Stream stream) {
  return failure_of(cudaStreamSynchronize(stream.queue));
}

inline Failure create_event(Event* event) {
  return failure_of(
      cudaEventCreateWithFlags(event, cudaEventDisableTiming | cudaEventBlockingSync));
}
inline void destroy_event(Event event) { cudaEventDestroy(event); }
inline Failure record(Event event, Stream stream) {
  return failure_of(cudaEventRecord(event, stream.queue));
}
inline Failure wait_for(Event event) { return failure_of(cudaEventSynchronize(event)); }

inline Failure allocate_device(void** memory, size_t bytes) {
  return failure_of(cudaMalloc(memory, bytes));
}
inline void release_device(void* memory) { cudaFree(memory); }
// Host memory that kernels can read and write too.
inline Failure allocate_host(void** memory, size_t bytes) {
  return failure_of(cudaHostAlloc(memory, bytes, cudaHostAllocDefault));
}
inline void release_host(void* memory) { cudaFreeHost(memory); }
// What there is of an allocation from `memory`, which lies in it, to its end.
inline Failure bytes_from(const void* memory, size_t* bytes) {
  static void* const find = find_in_driver("cuMemGetAddressRange");
  CUdeviceptr start;
  const auto at = reinterpret_cast<CUdeviceptr>(memory);
  if (!find ||
      reinterpret_cast<decltype(&cuMemGetAddressRange)>(find)(&start, bytes, at) != CUDA_SUCCESS) {
    return "the driver does not know the memory";
  }
  *bytes -= at - start;
  return nullptr;
}
// What can still be allocated. The driver loads kernels when they are first launched: it is left some for that.
inline Failure free_bytes(size_t* bytes) {
  constexpr size_t kDrivers = size_t{64} << 20;
  size_t total;
  const Failure failure = failure_of(cudaMemGetInfo(bytes, &total));
  *bytes -= *bytes < kDrivers ? *bytes : kDrivers;
  return failure;
}

inline Failure copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  return failure_of(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream.queue));
}

// Whether there is code for the current device, and the compute capability that it was written for, 90 for Hopper: less
// than the card's where the driver made it of older PTX. One kernel stands for all: they are compiled together.
template <typename... Parameters>
Failure check_kernel(void (*kernel)(Parameters...), int* capability) {
  cudaFuncAttributes attributes{};
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel));
  *capability = attributes.ptxVersion;
  return failure_of(error);
}

// A row-major matrix that TMA reads or writes in boxes of `box_rows` rows of 128 bytes, which lie swizzled in shared memory.
// Rows begin at multiples of 16 bytes. Elements of 4 bytes are f32.
inline Failure make_tensor_map(TensorMap* map, const void* data, size_t element_bytes,
                               uint32_t rows, uint32_t cols, uint32_t stride, uint32_t box_rows) {
  static void* const encode = find_in_driver("cuTensorMapEncodeTiled");
  if (!encode) return "the driver knows no tensor maps";
  const cuuint64_t sizes[] = {cols, rows}, strides[] = {stride * element_bytes};
  const cuuint32_t box[] = {static_cast<cuuint32_t>(128 / element_bytes), box_rows},
                   steps[] = {1, 1};
  const CUtensorMapDataType type = element_bytes == 1   ? CU_TENSOR_MAP_DATA_TYPE_UINT8
                                   : element_bytes == 2 ? CU_TENSOR_MAP_DATA_TYPE_UINT16
                                                        : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  const CUresult result = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(encode)(
      map, type, 2, const_cast<void*>(data), sizes, strides, box, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? nullptr : "the driver does not take the tensor map";
}

// The one way to start a kernel, or to keep it for later.
template <typename... Parameters, typename... Arguments>
Failure launch(Stream stream, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
               size_t shared_bytes, Arguments... arguments) {
  if (stream.recording)
    return stream.recording->add(kernel, grid, threads, shared_bytes, arguments...);
  if (shared_bytes > 48 * 1024) {  // more has to be asked for
    const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                   cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                   static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return failure_of(error);
  }
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{grid,         dim3(threads), shared_bytes,
                            stream.queue, &overlap,      stream.overlaps};
  return failure_of(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...));
}

// Launches from here to end_capture are not made: they become a graph. Other threads may do as they like meanwhile.
inline Failure begin_capture(Stream stream) {
  return failure_of(cudaStreamBeginCapture(stream.queue, cudaStreamCaptureModeThreadLocal));
}
// Where it fails there is no graph.
inline Failure end_capture(Stream stream, Graph* graph) {
  cudaGraph_t captured = nullptr;
  cudaError_t error = cudaStreamEndCapture(stream.queue, &captured);
  if (error == cudaSuccess) error = cudaGraphInstantiate(graph, captured, 0);
  if (captured) cudaGraphDestroy(captured);
  if (error != cudaSuccess) return failure_of(error);
  error = cudaGraphUpload(*graph, stream.queue);  // its memory, which the first launch would take
  if (error != cudaSuccess) cudaGraphExecDestroy(*graph);
  return failure_of(error);
}
inline Failure launch_graph(Graph graph, Stream stream) {
  return failure_of(cudaGraphLaunch(graph, stream.queue));
}
// One that runs goes when it has ended.
inline void destroy_graph(Graph graph) { cudaGraphExecDestroy(graph); }

}  // namespace qwen3::cuda
#endif
