// The CUDA runtime of the emulated device. There is one GPU, and a stream does nothing until a
// thread waits for it. Any thread may call; one mutex serializes the calls.

#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "block.h"
#include "emulator.h"

namespace emulator {

struct Queue {
  std::deque<std::function<void()>> work;
  uint64_t enqueued = 0, done = 0;
  bool capturing = false;
  std::vector<std::function<void()>> captured;
};

struct Event {
  Queue* queue = nullptr;
  uint64_t after = 0;  // items of the queue that must be done
};

struct Graph {
  std::vector<std::function<void()>> launches;
};

namespace {

constexpr const char* kInjected = "an injected fault";
constexpr const char* kLaunchFailed = "unspecified launch failure (emulated)";
constexpr const char* kCapturing = "operation not permitted when stream is capturing (emulated)";

thread_local int current_device = -1;  // not selected yet
// Never destroyed: threads may still call when the process exits.
auto& mutex = *new std::recursive_mutex;
using Lock = std::lock_guard<std::recursive_mutex>;
auto& queues = *new std::set<Queue*>;
auto& graphs = *new std::set<Graph*>;
bool device_failed = false;
std::string report;

// Counts a call. Returns null if it may continue, else the failure. Every runtime function calls
// it, or begin_call_on_device if the calling thread must have selected the device.
const char* begin_call() {
  ++counters.runtime_calls;
  if (options.fail_call && counters.runtime_calls == static_cast<uint64_t>(options.fail_call)) {
    device_failed = !options.transient;
    return kInjected;
  }
  return device_failed ? kLaunchFailed : nullptr;
}

const char* begin_call_on_device() {
  if (current_device != 0) return "the thread has not selected a device (emulated)";
  return begin_call();
}

const char* run_until(Queue* queue, uint64_t target) {
  while (queue->done < target && !device_failed) {
    const std::function<void()> next = std::move(queue->work.front());
    queue->work.pop_front();
    ++queue->done;
    try {
      next();
    } catch (const Fault& fault) {
      device_failed = true;
      report = fault.what();
      std::fprintf(stderr, "CUDA emulator: %s\n", fault.what());
    }
  }
  host_has_waited();
  return device_failed ? kLaunchFailed : nullptr;
}

void push(Queue* queue, std::function<void()> work) {
  queue->work.push_back(std::move(work));
  ++queue->enqueued;
}

}  // namespace

const std::string& last_report() { return report; }
size_t live_allocations() { return allocations() + graphs.size(); }

void reset() {
  for (Queue* queue : queues) *queue = {};
  for (const Graph* graph : graphs) delete graph;
  graphs.clear();
  release_everything();
  device_failed = false;
  report.clear();
  counters = {};
}

void mark_unwritten(void* memory, size_t bytes) {
  std::memset(memory, 0xff, bytes);
  mark(memory, bytes, false);
}

void write(void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
  mark(to, bytes, true);
}

void read(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

int code_capability() {
  return options.code_capability ? options.code_capability : options.capability;
}

const char* enqueue(Queue* queue, const void* kernel, dim3 grid, unsigned threads,
                    size_t shared_bytes, bool overlaps, std::function<void()> body) {
  const Lock lock(mutex);
  if (const char* failure = begin_call_on_device()) return failure;
  constexpr unsigned kMaxThreads = 1024, kMaxGridY = 65535;
  const bool valid = threads >= 1 && threads <= kMaxThreads && threads % 32 == 0 && grid.x >= 1 &&
                     grid.y >= 1 && grid.z >= 1 && grid.y <= kMaxGridY && grid.z <= kMaxGridY;
  if (!valid) return "invalid configuration argument (emulated)";
  if (overlaps && code_capability() < 90) return "the GPU's kernels do not overlap (emulated)";
  // That of Hopper, and the smallest of all other GPUs from sm_80 on.
  const size_t max_shared_bytes = (options.capability == 90 ? 227 : 99) * 1024;
  if (shared_bytes > max_shared_bytes) return "too much shared memory requested (emulated)";
  std::function<void()> work = [=, body = std::move(body)] {
    run_grid(kernel, grid, threads, shared_bytes, overlaps, body);
  };
  if (queue->capturing) {
    queue->captured.push_back(std::move(work));
  } else {
    ++counters.launches;
    push(queue, std::move(work));
  }
  return nullptr;
}

}  // namespace emulator

namespace qwen3::cuda {

using namespace emulator;

Failure count_devices(int* count) {
  const Lock lock(mutex);
  *count = 1;
  return begin_call();
}

Failure describe_device(int device, DeviceProperties* properties) {
  const Lock lock(mutex);
  if (device != 0) return "invalid device ordinal (emulated)";
  *properties = {"emulated device", options.capability / 10, options.capability % 10,
                 options.multiprocessors};
  return begin_call();
}

Failure use_device(int device) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call()) return failure;
  current_device = device;
  return nullptr;
}

Failure create_stream(Stream* stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  stream->queue = new emulator::Queue;
  queues.insert(stream->queue);
  return nullptr;
}
void destroy_stream(Stream stream) {
  const Lock lock(mutex);
  run_until(stream.queue, stream.queue->enqueued);
  queues.erase(stream.queue);
  delete stream.queue;
}
Failure synchronize(Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call()) return failure;
  if (stream.queue->capturing) return kCapturing;
  return run_until(stream.queue, stream.queue->enqueued);
}
Failure create_event(Event* event) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *event = new emulator::Event;
  return nullptr;
}
void destroy_event(Event event) { delete event; }
Failure record(Event event, Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  if (stream.queue->capturing) return kCapturing;
  *event = {stream.queue, stream.queue->enqueued};
  return nullptr;
}
Failure wait_for(Event event) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  return event->queue ? run_until(event->queue, event->after) : nullptr;
}

Failure allocate_device(void** memory, size_t bytes) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *memory = allocate(bytes, false);
  return *memory ? nullptr : "out of memory (emulated)";
}
void release_device(void* memory) {
  const Lock lock(mutex);
  // Waits for the device, as CUDA does.
  for (Queue* queue : queues) run_until(queue, queue->enqueued);
  release(memory);
}
Failure allocate_host(void** memory, size_t bytes) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *memory = allocate(bytes, true);
  return nullptr;
}
void release_host(void* memory) { release_device(memory); }
Failure bytes_from(const void* memory, size_t* bytes) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *bytes = bytes_to_end(memory);
  return *bytes ? nullptr : "the driver does not know this memory (emulated)";
}
Failure free_bytes(size_t* bytes) {
  const Lock lock(mutex);
  *bytes = bytes_left();
  return begin_call_on_device();
}

Failure copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  if (stream.queue->capturing) return kCapturing;
  const auto copy = [to, bytes](const void* source) {
    if (!holds(to, bytes))
      throw Fault(text("copy of ", bytes, " bytes past the end of device memory"));
    write(to, source, bytes);
  };
  if (is_emulated(from)) {  // pinned: read when the copy runs
    push(stream.queue, [=] { copy(from); });
  } else {
    const auto* source_bytes = static_cast<const char*>(from);
    push(stream.queue, [copy, staged = std::vector<char>(source_bytes, source_bytes + bytes)] {
      copy(staged.data());
    });
  }
  return nullptr;
}

Failure make_tensor_map(TensorMap* map, const void* data, size_t element_bytes, uint32_t rows,
                        uint32_t cols, uint32_t stride, uint32_t box_rows) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call()) return failure;
  constexpr size_t kAlignment = 16;
  constexpr uint32_t kMaxBoxRows = 256;
  const bool valid = reinterpret_cast<uintptr_t>(data) % kAlignment == 0 && stride >= cols &&
                     rows >= 1 && cols >= 1 && stride * element_bytes % kAlignment == 0 &&
                     box_rows >= 1 && box_rows <= kMaxBoxRows;
  if (!valid) return "the driver rejects the tensor map (emulated)";
  *map = {static_cast<const char*>(data),
          rows,
          cols,
          static_cast<uint32_t>(stride * element_bytes),
          static_cast<uint32_t>(element_bytes),
          box_rows};
  return nullptr;
}

Failure begin_capture(Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  if (stream.queue->capturing) return kCapturing;
  stream.queue->capturing = true;
  return nullptr;
}
Failure end_capture(Stream stream, Graph* graph) {
  const Lock lock(mutex);
  std::vector<std::function<void()>> launches = std::move(stream.queue->captured);
  stream.queue->captured.clear();
  const bool captured = std::exchange(stream.queue->capturing, false);
  if (const Failure failure = begin_call_on_device()) return failure;
  if (!captured) return "the stream is not capturing (emulated)";
  if (!options.graphs) return "out of memory (emulated)";
  *graph = new emulator::Graph{std::move(launches)};
  graphs.insert(*graph);
  ++counters.graphs;
  return nullptr;
}
Failure launch_graph(Graph graph, Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  if (stream.queue->capturing) return kCapturing;
  if (!graphs.contains(graph)) return "there is no such graph (emulated)";
  ++counters.graph_launches;
  for (const auto& work : graph->launches) push(stream.queue, work);
  return nullptr;
}
void destroy_graph(Graph graph) {
  const Lock lock(mutex);
  graphs.erase(graph);
  delete graph;
}

}  // namespace qwen3::cuda
