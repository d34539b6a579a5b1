#include "memory.h"

#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include <algorithm>
#include <cstring>
#include <map>

#include "block.h"
#include "emulator.h"

namespace emulator {

SharedWindow shared;
Era era;

namespace {

constexpr size_t kArenaBytes = size_t{1} << 36;  // of address space, not memory
constexpr size_t kGap = 64 << 10;                // unmapped on both sides of a buffer
constexpr size_t kWindowBytes = 256 << 10;
constexpr size_t kPage = 4096;

// The shadow of a byte. It records two readers that a later write could race with.
struct Cell {
  uint32_t write_time, read_time[2];
  Site write_site, read_site[2];
  uint16_t writer : 14;
  uint16_t in_flight : 1;
  uint16_t atomic : 1;
  uint16_t reader[2];
};
static_assert(sizeof(Cell) == 32);

struct Buffer {
  int serial;
  char* data;
  size_t bytes;
  bool host;
  bool* written;  // for each byte
  Cell* cells;

  std::string name() const {
    return text(host ? "pinned" : "device", " memory #", serial, " (", bytes, " bytes)");
  }
};

char* arena;
char* arena_next;
Cell* shared_cells;
// Never destroyed: threads may still run when the process exits.
auto& buffers = *new std::map<const char*, Buffer>;
Buffer* last_used;
int next_serial = 1;
size_t bytes_used;

constexpr size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

char* map_memory(size_t bytes, int protection) {
  void* memory =
      mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

// For AddressSanitizer: of the `room` bytes at `memory` only [low, low + bytes) may be accessed.
void poison_outside([[maybe_unused]] char* memory, [[maybe_unused]] size_t room,
                    [[maybe_unused]] size_t low, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(memory, room);
  __asan_unpoison_memory_region(memory + low, bytes);
#endif
}

bool in_window(const void* p) {
  return static_cast<size_t>(static_cast<const char*>(p) - shared.window) < kWindowBytes;
}

// The buffer that contains p or is near it; null if there is none.
Buffer* buffer_near(const char* p) {
  if (last_used && p >= last_used->data && p < last_used->data + last_used->bytes) return last_used;
  auto next = buffers.upper_bound(p + kGap / 2);
  if (next == buffers.begin()) return nullptr;
  Buffer& found = std::prev(next)->second;
  if (p > found.data + found.bytes + kGap) return nullptr;
  return last_used = &found;
}

std::string name_of(int thread) {
  return is_asynchronous(thread) ? "an asynchronous copy or wgmma" : text("thread ", thread);
}

// Whether nothing orders what `thread` did at `time` before a thread whose clock is `seen`. A
// barrier of all threads orders what threads did, but not asynchronous operations that are still in
// flight.
bool unseen(uint32_t time, int thread, const Clock& seen) {
  if (time <= era.block || (time <= era.barrier && !is_asynchronous(thread))) return false;
  return time > seen[thread];
}

// The access being checked: all that messages need.
struct Accessor {
  Access access;
  Site site;
  int thread;
  bool in_shared;
  size_t offset;  // of the byte, from the start of its memory

  std::string who() const { return name_of(thread); }
  const char* verb() const {
    switch (access) {
      case Access::read: return "reads";
      case Access::write: return "writes";
      case Access::copy_begins: return "starts a copy to";
      case Access::atomic: break;
    }
    return "adds to";
  }
  std::string place() const {
    return text(in_shared ? "shared memory" : last_used->name(), " at offset ", offset);
  }
};

[[noreturn]] void report_race(const Accessor& by, const char* other_did, Site other_site, int other,
                              bool other_block) {
  fail(text("race on ", by.place(), ": ", by.who(), " ", by.verb(), " at ", describe(by.site), ", ",
            other_block ? std::string("another block") : name_of(other), " ", other_did, " at ",
            describe(other_site), ", and no barrier orders the two"));
}

void check_races(const Cell& cell, const Accessor& by, const Clock& seen) {
  const bool writes = by.access != Access::read;
  if (cell.atomic && by.access == Access::atomic) return;
  if (!by.in_shared) {  // blocks of a launch are not ordered
    const auto elsewhere = [](uint32_t time) { return time > era.launch && time <= era.block; };
    if (elsewhere(cell.write_time)) report_race(by, "wrote", cell.write_site, cell.writer, true);
    if (writes && elsewhere(cell.read_time[0])) {
      report_race(by, "read", cell.read_site[0], cell.reader[0], true);
    }
  }
  if (unseen(cell.write_time, cell.writer, seen)) {
    report_race(by, cell.in_flight ? "has a copy in flight to it, issued" : "wrote",
                cell.write_site, cell.writer, false);
  }
  if (!writes) return;
  for (int i = 0; i < 2; ++i) {
    if (unseen(cell.read_time[i], cell.reader[i], seen)) {
      report_race(by, "read", cell.read_site[i], cell.reader[i], false);
    }
  }
}

// Earlier launches may still run: all writes, and reads of what those launches wrote, must follow
// wait_for_previous.
void check_overlap(const Cell& cell, const Accessor& by) {
  if (by.in_shared || block.waited[by.thread]) return;
  const bool fresh = cell.write_time > era.waited && cell.write_time <= era.launch;
  if (by.access == Access::read && !fresh) return;
  fail(text("wait_for_previous is missing: ", by.who(), " ", by.verb(), " ", by.place(), " at ",
            describe(by.site),
            fresh ? ", which an earlier launch wrote at " + describe(cell.write_site) : ""));
}

// TMA and wgmma see what a thread wrote only after a proxy fence, either of the writer or of a
// thread that has seen the write.
void check_proxies(const Cell& cell, const Accessor& by, const Clock& seen) {
  if (!is_asynchronous(by.thread) || cell.write_time <= era.block || is_asynchronous(cell.writer))
    return;
  if (!seen.fenced.empty() && cell.write_time <= seen.fenced[cell.writer]) return;
  fail(text("a proxy fence is missing: thread ", cell.writer, " wrote ", by.place(), " at ",
            describe(cell.write_site), ", and TMA or wgmma reads it at ", describe(by.site)));
}

void record_access(Cell& cell, const Accessor& by, const Clock& seen) {
  const uint32_t now = seen[by.thread];
  if (by.access == Access::read) {
    // An earlier read that is ordered before this one may be overwritten.
    const int i = unseen(cell.read_time[0], cell.reader[0], seen) ? 1 : 0;
    cell.read_time[i] = now;
    cell.reader[i] = static_cast<uint16_t>(by.thread);
    cell.read_site[i] = by.site;
    return;
  }
  cell.write_time = now;
  cell.writer = static_cast<uint16_t>(by.thread) & 0x3fff;
  cell.write_site = by.site;
  cell.read_time[0] = cell.read_time[1] = 0;
  cell.in_flight = by.access == Access::copy_begins;
  cell.atomic = by.access == Access::atomic;
}

// `was_written` is null for shared memory, where the cell shows whether the byte was written.
void check_cell(Cell& cell, bool* was_written, const Accessor& by, const Clock& seen) {
  const uint32_t now = seen[by.thread];
  const bool reads = by.access == Access::read, needs_value = reads || by.access == Access::atomic;
  if (reads && cell.reader[0] == by.thread && cell.read_time[0] == now) return;  // repeated read
  const bool written = was_written ? *was_written : cell.write_time > era.block;
  if (needs_value && !written && options.unwritten) {
    fail(text("read of ", by.place(), ", which was never written, by ", by.who(), " at ",
              describe(by.site)));
  }
  if (options.races) check_races(cell, by, seen);
  if (reads && cell.in_flight && by.in_shared && written) {
    fail(text("read of ", by.place(), " while a copy to it is in flight: ", by.who(), " at ",
              describe(by.site), ", copy issued at ", describe(cell.write_site)));
  }
  if (options.races) check_overlap(cell, by);
  if (reads && options.races) check_proxies(cell, by, seen);
  record_access(cell, by, seen);
  if (!reads && was_written) *was_written = true;
}

[[noreturn]] void report_bounds(const Accessor& by, size_t bytes, const std::string& what,
                                ptrdiff_t offset, size_t size) {
  fail(text("out of bounds: ", by.who(), " ", by.verb(), " ", bytes, " bytes at offset ", offset,
            " of ", what, ", which has ", size, ", at ", describe(by.site)));
}

}  // namespace

void set_up_memory() {
  if (arena) return;
  arena = arena_next = map_memory(kArenaBytes, PROT_NONE);
  shared.window = map_memory(kWindowBytes, PROT_READ | PROT_WRITE);
  shared_cells =
      reinterpret_cast<Cell*>(map_memory(kWindowBytes * sizeof(Cell), PROT_READ | PROT_WRITE));
}

void* allocate(size_t bytes, bool host) {
  set_up_memory();
  if (!host && bytes > bytes_left()) return nullptr;
  bytes = std::max<size_t>(bytes, 1);
  char* data = arena_next + kGap;
  arena_next = data + whole_pages(bytes) + kGap;
  if (arena_next > arena + kArenaBytes) throw std::bad_alloc();
  mprotect(data, whole_pages(bytes), PROT_READ | PROT_WRITE);
  poison_outside(data, whole_pages(bytes), 0, bytes);
  if (!host) std::memset(data, 0xff, bytes);  // NaN in every format
  auto* written = reinterpret_cast<bool*>(map_memory(bytes, PROT_READ | PROT_WRITE));
  auto* cells = reinterpret_cast<Cell*>(map_memory(bytes * sizeof(Cell), PROT_READ | PROT_WRITE));
  buffers[data] = {next_serial++, data, bytes, host, written, cells};
  if (!host) bytes_used += bytes;
  return data;
}

void release(void* memory) {
  const auto found = buffers.find(static_cast<char*>(memory));
  if (found == buffers.end())
    throw Fault("release of memory that was never allocated, or was released before");
  const Buffer& buffer = found->second;
  munmap(buffer.written, buffer.bytes);
  munmap(buffer.cells, buffer.bytes * sizeof(Cell));
  // Addresses are not reused, so accesses through dangling pointers are caught.
  mmap(buffer.data, whole_pages(buffer.bytes), PROT_NONE,
       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (!buffer.host) bytes_used -= buffer.bytes;
  buffers.erase(found);
  last_used = nullptr;
}

void release_everything() {
  while (!buffers.empty()) release(buffers.begin()->second.data);
  arena_next = arena;
}

size_t allocations() { return buffers.size(); }
size_t bytes_left() { return options.device_bytes - std::min(bytes_used, options.device_bytes); }

bool is_emulated(const void* p) {
  return arena &&
         (in_window(p) || static_cast<size_t>(static_cast<const char*>(p) - arena) < kArenaBytes);
}

bool is_device_only(const void* p) {
  if (!is_emulated(p)) return false;
  const Buffer* buffer = in_window(p) ? nullptr : buffer_near(static_cast<const char*>(p));
  return !buffer || !buffer->host;
}

size_t bytes_to_end(const void* p) {
  const auto* c = static_cast<const char*>(p);
  const Buffer* buffer = is_emulated(p) ? buffer_near(c) : nullptr;
  if (!buffer || c < buffer->data) return 0;
  return static_cast<size_t>(std::max<ptrdiff_t>(buffer->data + buffer->bytes - c, 0));
}

bool holds(const void* p, size_t bytes) { return bytes <= bytes_to_end(p); }

void mark(void* p, size_t bytes, bool written) {
  const Buffer* buffer = buffer_near(static_cast<char*>(p));
  std::memset(buffer->written + (static_cast<char*>(p) - buffer->data), written, bytes);
}

void* open_shared_memory(size_t alignment) {
  if (shared.low == 0) {
    shared.low = static_cast<uint32_t>(kPage + std::clamp<size_t>(alignment, 16, 1024));
    poison_outside(shared.window, kWindowBytes, 0, kWindowBytes);
    std::memset(shared.window, 0xff, shared.low + shared.bytes + kPage);
    poison_outside(shared.window, kWindowBytes, shared.low, shared.bytes);
  }
  return shared.window + shared.low;
}

void check_access(const void* p, size_t bytes, Access access, Site site, int thread,
                  const Clock& seen) {
  const auto* c = static_cast<const char*>(p);
  if (!is_emulated(p)) return;
  Accessor by{access, site, thread, in_window(p), 0};
  Cell* cells;
  const Buffer* buffer = nullptr;
  if (by.in_shared) {
    const ptrdiff_t offset = c - shared.window - static_cast<ptrdiff_t>(shared.low);
    if (!shared.low || offset < 0 || offset + bytes > shared.bytes) {
      report_bounds(by, bytes, "shared memory", offset, shared.bytes);
    }
    by.offset = static_cast<size_t>(offset);
    cells = shared_cells + offset;
  } else {
    buffer = buffer_near(c);
    if (!buffer) {
      fail(text("wild pointer: ", by.who(), " ", by.verb(), " far from every buffer, at ",
                describe(site)));
    }
    const ptrdiff_t offset = c - buffer->data;
    if (offset < 0 || offset + bytes > buffer->bytes) {
      report_bounds(by, bytes, buffer->name(), offset, buffer->bytes);
    }
    by.offset = static_cast<size_t>(offset);
    cells = buffer->cells + offset;
  }
  if (bytes == 0 || (!options.races && !options.unwritten)) return;
  // The bytes of one value mostly have equal shadow cells: the result for the first byte is copied
  // to them.
  const Cell first = cells[0];
  bool* const all_written = buffer && !buffer->host ? buffer->written + by.offset : nullptr;
  const bool first_written = all_written && all_written[0];
  for (size_t i = 0; i < bytes; ++i, ++by.offset) {
    const bool same_as_first = i > 0 && std::memcmp(&cells[i], &first, sizeof first) == 0 &&
                               (!all_written || all_written[i] == first_written);
    if (same_as_first) {
      cells[i] = cells[0];
      if (all_written) all_written[i] = all_written[0];
      continue;
    }
    bool host_wrote = true;  // writes of the host are not seen: pinned memory counts as written
    bool* written = !buffer ? nullptr : buffer->host ? &host_wrote : all_written + i;
    check_cell(cells[i], written, by, seen);
  }
}

void check_alignment(const void* p, size_t bytes, Site site) {
  const size_t excess = reinterpret_cast<uintptr_t>(p) & (bytes - 1);  // bytes is a power of two
  if (excess && is_emulated(p)) {
    fail(text("misaligned: ", bytes, " bytes at an address ", excess, " past a multiple of ", bytes,
              ", at ", describe(site)));
  }
}

}  // namespace emulator
