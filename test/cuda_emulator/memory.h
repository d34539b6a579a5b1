// The emulated device's memory and its shadow: who last wrote and read each byte, and when. Every access of a kernel
// comes through `touch`, which finds accesses out of bounds, reads of unwritten bytes, copies in flight and races.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "report.h"

namespace emulator {

// What has been seen of every thread of a block, and of every copy and product that runs beside them (a vector clock).
struct Clock {
  std::vector<uint32_t> times;
  std::vector<uint32_t> fenced;  // as far as proxy fences cover it; empty: not at all

  uint32_t& operator[](int who) { return times[static_cast<size_t>(who)]; }
  uint32_t operator[](int who) const { return times[static_cast<size_t>(who)]; }
};

enum class Access : uint8_t {
  read,
  write,
  copy_begins,  // it was issued: nobody may touch the bytes until it has landed
  atomic,       // a read and a write that nobody comes between
};

// The shared memory that a block may use lies at [window + low, window + low + bytes).
struct SharedWindow {
  char* window;
  uint32_t low;  // 0: nobody has asked for it yet
  size_t bytes;
};
extern SharedWindow shared;

// Times of a thread only grow, from block to block and launch to launch, so nothing of the shadow is ever cleared.
struct Era {
  uint32_t waited;  // times up to this belong to launches that the host has waited for,
  uint32_t launch;  // from there up to this to earlier launches,
  uint32_t block;   // from there up to this to earlier blocks of this launch,
  uint32_t
      barrier;  // from there up to this to what all threads of the block have seen at a barrier
};
extern Era era;

void set_up_memory();

// Null: the device has not so much.
void* allocate(size_t bytes, bool host);
void release(void* memory);
void release_everything();
size_t allocations();
size_t bytes_left();

// Whether host code may not touch these bytes, or p lies in memory that kernels can reach at all.
bool is_device_only(const void* p);
bool is_emulated(const void* p);
// Whether [p, p + bytes) lies in one buffer.
bool holds(const void* p, size_t bytes);
// Bytes from p to the end of the buffer that it lies in; 0: in none.
size_t room_from(const void* p);
void mark(void* p, size_t bytes, bool written);

// Shared memory for a block: the least alignment that was asked for, filled with NaN of every format.
void* open_shared_memory(size_t alignment);

// One access by `thread`, which has seen `seen`. Throws or does not return where it is a fault; memory that is not the
// device's (locals, constants) is nobody's business.
void touch(const void* p, size_t bytes, Access access, Site site, int thread, const Clock& seen);
void check_alignment(const void* p, size_t bytes, Site site);

}  // namespace emulator
