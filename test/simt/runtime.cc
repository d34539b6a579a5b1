// The CUDA runtime of the emulated device: one card, streams that do nothing until somebody waits for them. Any thread
// may call; one at a time is inside.

#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <vector>

#include "block.h"
#include "emulator.h"

namespace simt {

struct Stream {
  std::deque<std::function<void()>> work;
  uint64_t enqueued = 0, done = 0;
};

struct Event {
  Stream* stream = nullptr;
  uint64_t after = 0;  // how much of the stream has to be done
};

namespace {

constexpr const char* kInjected = "an injected fault";
constexpr const char* kLaunchFailed = "unspecified launch failure (emulated)";

thread_local int current_device = -1;  // nobody has chosen one
// Never destroyed: threads may call when the process exits.
auto& mutex = *new std::recursive_mutex;
using Lock = std::lock_guard<std::recursive_mutex>;
auto& streams = *new std::set<Stream*>;
bool device_failed = false;
std::string report;

// Null where the call may go on. Every function below begins with it, or with begin_call_on_device where the thread has to
// have chosen the device before.
const char* begin_call() {
  ++counters.runtime_calls;
  if (options.fail_call && counters.runtime_calls == static_cast<uint64_t>(options.fail_call)) {
    device_failed = true;
    return kInjected;
  }
  return device_failed ? kLaunchFailed : nullptr;
}

const char* begin_call_on_device() {
  if (current_device != 0) return "the thread has chosen no device (emulated)";
  return begin_call();
}

const char* run_until(Stream* stream, uint64_t target) {
  while (stream->done < target && !device_failed) {
    const std::function<void()> next = std::move(stream->work.front());
    stream->work.pop_front();
    ++stream->done;
    try {
      next();
    } catch (const Fault& fault) {
      device_failed = true;
      report = fault.what();
      std::fprintf(stderr, "simt: %s\n", fault.what());
    }
  }
  return device_failed ? kLaunchFailed : nullptr;
}

void push(Stream* stream, std::function<void()> work) {
  stream->work.push_back(std::move(work));
  ++stream->enqueued;
}

}  // namespace

const std::string& last_report() { return report; }
size_t live_allocations() { return allocations(); }

void reset() {
  for (Stream* stream : streams) *stream = {};
  release_everything();
  device_failed = false;
  report.clear();
  counters = {};
}

void forbid(void* memory, size_t bytes) {
  std::memset(memory, 0xff, bytes);
  mark(memory, bytes, false);
}

void write(void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
  mark(to, bytes, true);
}

void read(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

const char* enqueue(Stream* stream, const void* kernel, dim3 grid, unsigned threads, size_t shared_bytes,
                    std::function<void()> body) {
  const Lock lock(mutex);
  if (const char* failure = begin_call_on_device()) return failure;
  constexpr unsigned kMaxThreads = 1024, kMaxGridY = 65535;
  const bool sound = threads >= 1 && threads <= kMaxThreads && threads % 32 == 0 && grid.x >= 1 &&
                     grid.y >= 1 && grid.z >= 1 && grid.y <= kMaxGridY && grid.z <= kMaxGridY;
  if (!sound) return "invalid configuration argument (emulated)";
  // Of Hopper, and the least of all others from sm_80 on.
  const size_t shared_bytes_there_are = (options.capability == 90 ? 227 : 99) * 1024;
  if (shared_bytes > shared_bytes_there_are) return "too much shared memory asked for (emulated)";
  ++counters.launches;
  push(stream, [=, body = std::move(body)] { run_grid(kernel, grid, threads, shared_bytes, body); });
  return nullptr;
}

}  // namespace simt

namespace qwen3::cuda {

using namespace simt;

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
  *stream = new simt::Stream;
  streams.insert(*stream);
  return nullptr;
}
void destroy_stream(Stream stream) {
  const Lock lock(mutex);
  run_until(stream, stream->enqueued);
  streams.erase(stream);
  delete stream;
}
Failure synchronize(Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call()) return failure;
  return run_until(stream, stream->enqueued);
}
Failure create_event(Event* event) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *event = new simt::Event;
  return nullptr;
}
void destroy_event(Event event) { delete event; }
Failure record(Event event, Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *event = {stream, stream->enqueued};
  return nullptr;
}
Failure wait_for(Event event) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  return event->stream ? run_until(event->stream, event->after) : nullptr;
}

Failure allocate_device(void** memory, size_t bytes) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  *memory = allocate(bytes, false);
  return *memory ? nullptr : "out of memory (emulated)";
}
void release_device(void* memory) {
  const Lock lock(mutex);  // waits for the device, as CUDA does
  for (Stream stream : streams) run_until(stream, stream->enqueued);
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
  *bytes = room_from(memory);
  return *bytes ? nullptr : "the driver does not know the memory (emulated)";
}
Failure free_bytes(size_t* bytes) {
  const Lock lock(mutex);
  *bytes = bytes_left();
  return begin_call_on_device();
}

Failure copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call_on_device()) return failure;
  const auto copy = [to, bytes](const void* source) {
    if (!holds(to, bytes)) throw Fault(text("copy of ", bytes, " bytes past the end of device memory"));
    write(to, source, bytes);
  };
  if (is_emulated(from)) {  // pinned: read when its turn comes
    push(stream, [=] { copy(from); });
  } else {
    const auto* bytes_of_source = static_cast<const char*>(from);
    push(stream, [copy, staged = std::vector<char>(bytes_of_source, bytes_of_source + bytes)] {
      copy(staged.data());
    });
  }
  return nullptr;
}

Failure make_tensor_map(TensorMap* map, const void* data, size_t element_bytes, uint32_t rows, uint32_t cols,
                        uint32_t stride, uint32_t box_rows) {
  const Lock lock(mutex);
  if (const Failure failure = begin_call()) return failure;
  constexpr size_t kAlignment = 16;
  constexpr uint32_t kMaxBoxRows = 256;
  const bool sound = reinterpret_cast<uintptr_t>(data) % kAlignment == 0 && stride >= cols && rows >= 1 &&
                     cols >= 1 && stride * element_bytes % kAlignment == 0 && box_rows >= 1 &&
                     box_rows <= kMaxBoxRows;
  if (!sound) return "the driver does not take the tensor map (emulated)";
  *map = {static_cast<const char*>(data),       rows,    cols, static_cast<uint32_t>(stride * element_bytes),
          static_cast<uint32_t>(element_bytes), box_rows};
  return nullptr;
}

}  // namespace qwen3::cuda
