// The interface of cuda/runtime.h for the emulated device. A stream does nothing until a thread
// waits for it, so that pinned memory that changes too early is noticed. Copies from pageable host
// memory read it during the call, as CUDA stages them.
#pragma once
#define QWEN3_CUDA_RUNTIME_H  // cuda/runtime.h becomes empty

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>

#include "launches.h"

namespace emulator {

struct Queue;
struct Event;
struct Graph;

// The compute capability that kernels are compiled for.
int code_capability();

// Enqueues a kernel; `body` runs one thread of it.
const char* enqueue(Queue* queue, const void* kernel, dim3 grid, unsigned threads,
                    size_t shared_bytes, bool overlaps, std::function<void()> body);

}  // namespace emulator

namespace qwen3::cuda {

using Event = emulator::Event*;
using Graph = emulator::Graph*;
using TensorMap = emulator::TensorMap;

struct Stream {
  emulator::Queue* queue = nullptr;
  Launches* recording = nullptr;
  bool overlaps = false;
};

struct DeviceProperties {
  char name[256];
  int major, minor;
  int multiprocessors;
};

Failure count_devices(int* count);
Failure describe_device(int device, DeviceProperties* properties);

Failure use_device(int device);

Failure create_stream(Stream* stream);
void destroy_stream(Stream stream);
Failure synchronize(Stream stream);
Failure create_event(Event* event);
void destroy_event(Event event);
Failure record(Event event, Stream stream);
Failure wait_for(Event event);

Failure allocate_device(void** memory, size_t bytes);
void release_device(void* memory);
Failure allocate_host(void** memory, size_t bytes);
void release_host(void* memory);
Failure bytes_from(const void* memory, size_t* bytes);
Failure free_bytes(size_t* bytes);
Failure copy_to_device(void* to, const void* from, size_t bytes, Stream stream);

template <typename... Parameters>
Failure check_kernel(void (*)(Parameters...), int* capability) {
  *capability = emulator::code_capability();
  return nullptr;
}

Failure make_tensor_map(TensorMap* map, const void* data, size_t element_bytes, uint32_t rows,
                        uint32_t cols, uint32_t stride, uint32_t box_rows);

template <typename... Parameters, typename... Arguments>
Failure launch(Stream stream, void (*kernel)(Parameters...), dim3 grid, unsigned threads,
               size_t shared_bytes, Arguments... arguments) {
  if (stream.recording)
    return stream.recording->add(kernel, grid, threads, shared_bytes, arguments...);
  std::tuple<std::remove_cv_t<Parameters>...> held(arguments...);
  return emulator::enqueue(stream.queue, reinterpret_cast<const void*>(kernel), grid, threads,
                           shared_bytes, stream.overlaps,
                           [kernel, held] { std::apply(kernel, held); });
}

Failure begin_capture(Stream stream);
Failure end_capture(Stream stream, Graph* graph);
Failure launch_graph(Graph graph, Stream stream);
void destroy_graph(Graph graph);

}  // namespace qwen3::cuda
