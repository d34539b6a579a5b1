// The emulated device's memory and its shadow memory: which thread last wrote and read each byte,
// and when. Every access of a kernel passes through `check_access`, which detects accesses out of
// bounds, reads of unwritten bytes, accesses to copies in flight, and races.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "report.h"

namespace emulator {

// A vector clock: the times that have been seen of every thread of a block and of every
// asynchronous copy and wgmma.
struct Clock {
  std::vector<uint32_t> times;
  std::vector<uint32_t> fenced;  // the times that proxy fences cover; empty: none

  uint32_t& operator[](int who) { return times[static_cast<size_t>(who)]; }
  uint32_t operator[](int who) const { return times[static_cast<size_t>(who)]; }
};

enum class Access : uint8_t {
  read,
  write,
  copy_begins,  // a copy was issued: no thread may access the bytes until it lands
  atomic,       // an indivisible read and write
};

// The shared memory of a block is [window + low, window + low + bytes).
struct SharedWindow {
  char* window;
  uint32_t low;  // 0: not requested yet
  size_t bytes;
};
extern SharedWindow shared;

// Times only grow, from block to block and from launch to launch, so the shadow memory is never
// cleared. Each field ends a range of times, which begins after the field above.
struct Era {
  uint32_t waited;   // launches that the host has waited for
  uint32_t launch;   // other earlier launches
  uint32_t block;    // earlier blocks of this launch
  uint32_t barrier;  // events that all threads of the block have seen, at a barrier
};
extern Era era;

void set_up_memory();

// Returns null if the device has too little memory.
void* allocate(size_t bytes, bool host);
void release(void* memory);
void release_everything();
size_t allocations();
size_t bytes_left();

// Whether p is in emulated memory that host code must not access.
bool is_device_only(const void* p);
// Whether p is in emulated memory: device, pinned or shared.
bool is_emulated(const void* p);
// Whether [p, p + bytes) is inside one buffer.
bool holds(const void* p, size_t bytes);
// Bytes from p to the end of its buffer; 0 if p is in none.
size_t bytes_to_end(const void* p);
// Marks bytes as written or unwritten.
void mark(void* p, size_t bytes, bool written);

// Returns the shared memory of the running block. The first call fills it with NaN (of every
// format) and gives it the requested alignment and no larger one.
void* open_shared_memory(size_t alignment);

// One access by `thread`, whose clock is `seen`. On a fault it throws or does not return. Memory
// outside the device (locals, constants) is ignored.
void check_access(const void* p, size_t bytes, Access access, Site site, int thread,
                  const Clock& seen);
void check_alignment(const void* p, size_t bytes, Site site);

}  // namespace emulator
