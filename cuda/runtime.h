// Every call into the CUDA runtime: devices, memory, streams, launches.
// test/cuda_emulator/runtime.h can replace this file. A Failure is null on success, else a static
// message, mostly the runtime's.
#ifndef QWEN3_CUDA_RUNTIME_H  // not #pragma once: a replacement of this file defines the name
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
  Launches* recording = nullptr;  // if set, kernels are recorded there instead of launched
  bool overlaps = false;          // programmatic dependent launch: see wait_for_previous in ptx.cuh
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

// Makes a device the thread's current one. The previous device is not restored: that would create a
// context on it if it was never used. Callers are this package's own threads, or Node's when it
// frees a model.
inline Failure use_device(int device) { return failure_of(cudaSetDevice(device)); }

// A driver function of CUDA 12.0, or null. Looked up by name, so the library does not link the
// driver.
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

// For programs with nothing else to do: it spins, where wait_for(Event) sleeps.
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
// Pinned host memory, which kernels can read and write.
inline Failure allocate_host(void** memory, size_t bytes) {
  return failure_of(cudaHostAlloc(memory, bytes, cudaHostAllocDefault));
}
inline void release_host(void* memory) { cudaFreeHost(memory); }
// Bytes from `memory` to the end of the allocation that contains it.
inline Failure bytes_from(const void* memory, size_t* bytes) {
  static void* const find = find_in_driver("cuMemGetAddressRange");
  CUdeviceptr start;
  const auto at = reinterpret_cast<CUdeviceptr>(memory);
  if (!find ||
      reinterpret_cast<decltype(&cuMemGetAddressRange)>(find)(&start, bytes, at) != CUDA_SUCCESS) {
    return "the driver does not know this memory";
  }
  *bytes -= at - start;
  return nullptr;
}
// Bytes that can still be allocated, less a reserve: the driver loads kernels at their first
// launch.
inline Failure free_bytes(size_t* bytes) {
  constexpr size_t kDriverReserve = size_t{64} << 20;
  size_t total;
  const Failure failure = failure_of(cudaMemGetInfo(bytes, &total));
  *bytes -= *bytes < kDriverReserve ? *bytes : kDriverReserve;
  return failure;
}

inline Failure copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  return failure_of(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream.queue));
}

// Fails if there is no code for the current device. `capability` is the compute capability the code
// was compiled for, 90 for Hopper; it is lower than the GPU's if the driver compiled older PTX. Any
// kernel will do: all are compiled together.
template <typename... Parameters>
Failure check_kernel(void (*kernel)(Parameters...), int* capability) {
  cudaFuncAttributes attributes{};
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel));
  *capability = attributes.ptxVersion;
  return failure_of(error);
}

// Describes a row-major matrix that TMA copies in boxes of `box_rows` rows x 128 bytes, swizzled in
// shared memory. Rows start at multiples of 16 bytes. Elements of 4 bytes are f32.
inline Failure make_tensor_map(TensorMap* map, const void* data, size_t element_bytes,
                               uint32_t rows, uint32_t cols, uint32_t stride, uint32_t box_rows) {
  static void* const encode = find_in_driver("cuTensorMapEncodeTiled");
  if (!encode) return "the driver does not support tensor maps";
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
  return result == CUDA_SUCCESS ? nullptr : "the driver rejects the tensor map";
}

// Launches a kernel, or records it. Kernels are launched in no other way.
template <typename... Parameters, typename... Arguments>
Failure launch(Stream stream, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
               size_t shared_bytes, Arguments... arguments) {
  if (stream.recording)
    return stream.recording->add(kernel, grid, threads, shared_bytes, arguments...);
  if (shared_bytes > 48 * 1024) {  // more must be requested
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

// Launches between begin_capture and end_capture are not made but become a graph. Other threads may
// launch meanwhile.
inline Failure begin_capture(Stream stream) {
  return failure_of(cudaStreamBeginCapture(stream.queue, cudaStreamCaptureModeThreadLocal));
}
// On failure there is no graph.
inline Failure end_capture(Stream stream, Graph* graph) {
  cudaGraph_t captured = nullptr;
  cudaError_t error = cudaStreamEndCapture(stream.queue, &captured);
  if (error == cudaSuccess) error = cudaGraphInstantiate(graph, captured, 0);
  if (captured) cudaGraphDestroy(captured);
  if (error != cudaSuccess) return failure_of(error);
  // Allocates the graph's memory now rather than at the first launch.
  error = cudaGraphUpload(*graph, stream.queue);
  if (error != cudaSuccess) cudaGraphExecDestroy(*graph);
  return failure_of(error);
}
inline Failure launch_graph(Graph graph, Stream stream) {
  return failure_of(cudaGraphLaunch(graph, stream.queue));
}
// A running graph is freed when it has ended.
inline void destroy_graph(Graph graph) { cudaGraphExecDestroy(graph); }

}  // namespace qwen3::cuda
#endif
