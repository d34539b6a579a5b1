// Hopper's asynchronous operations: mbarriers, TMA copies by tensor map, and wgmma, matrix products
// of whole warpgroups. Copies and products run concurrently with the threads, have clocks of their
// own, and access shared memory through the asynchronous proxy.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>

#include "block.h"
#include "emulator.h"

namespace emulator {
namespace {

constexpr uint32_t kSwizzledRowBytes = 128, kSwizzleBytes = 1024, kChunkBytes = 16;
// Of wgmma: rows of a, bytes of a row of both operands, largest number of columns.
constexpr uint32_t kProductRows = 64, kProductBytes = 32;
constexpr uint32_t kMaxProductCols = 256;
// The registers of sums that must not be read yet.
constexpr uint32_t kPoison = 0xffffffff, kIntegerPoison = 0x80000001;

struct Mbarrier {
  uint32_t count, pending;  // arrivals
  int64_t bytes;            // outstanding
  uint32_t phase;
  Clock seen, released;  // joined clocks of the arrivals in this phase, and in the previous one
  std::vector<std::pair<int, uint32_t>> waiting;  // threads and their parities
  Site site;
  bool fenced;
};

struct TensorCopy {
  uint32_t to;
  TensorMap map;
  uint32_t mbarrier;
  int32_t x, y;
  int number;
  Site site;
};

// A TMA store in flight. It has a copy of its clock, because block.clocks[number] may be reused
// before the store ends.
struct Store {
  uint32_t from;
  TensorMap map;
  int32_t x, y;
  bool adds;
  int number;
  Clock clock;
  Site site;
};

// The stores of a thread.
struct Stores {
  std::vector<Store> open;                // not yet committed
  std::deque<std::vector<Store>> groups;  // committed, not yet waited for
};

// A thread's registers of the left operand, and their values when wgmma was issued.
struct Held {
  const uint32_t* registers;
  uint32_t values[4];
};

// wgmma: sums[64, cols] (+)= a[64, k] b[cols, k]^T.
struct Product {
  Multiplicand type;
  uint32_t cols;
  uint64_t a, b;
  bool accumulate;
  // Of all threads, if the left operand is in registers: replaces a, and b is stored as [k, cols].
  std::vector<Held> held;
  void* sums[kWarpgroupThreads];
  int number;
  Site site;
};

// Sums of products in flight, while the registers are poisoned.
struct Sums {
  std::vector<uint32_t> values;  // those of thread t begin at t * cols / 2
  int products;                  // in flight, that add to them
};

struct Warpgroup {
  Collective operation;
  bool fenced;
  std::vector<Product> open;                // not yet committed
  std::deque<std::vector<Product>> groups;  // committed, not yet waited for
  std::map<void*, Sums> sums;               // by the address of the first thread's registers
};

std::map<uint32_t, Mbarrier> mbarriers;
std::vector<TensorCopy> copies;
std::vector<Stores> stores;
std::vector<Warpgroup> warpgroups;

uint32_t swizzled(uint32_t address) { return address ^ ((address >> 7 & 7) << 4); }

void check_access_for(int number, uint32_t address, Access access, Site site) {
  check_access(shared.window + address, kChunkBytes, access, site, number, block.clocks[number]);
}

std::string name_of_mbarrier(uint32_t address) {
  return text("the mbarrier at offset ", static_cast<int64_t>(address) - shared.low);
}

// The thread that uses an mbarrier must have seen its initialization.
Mbarrier& mbarrier_at(uint32_t address, Site site) {
  const auto found = mbarriers.find(address);
  if (found == mbarriers.end()) {
    fail(text(name_of_mbarrier(address), ", used at ", describe(site), ", was never initialized"));
  }
  check_access(shared.window + address, sizeof(uint64_t), Access::read, site, block.me,
               block.clock());
  return found->second;
}

void complete_phase(Mbarrier& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  ++barrier.phase;
  barrier.pending = barrier.count;
  barrier.released = barrier.seen;
  std::vector<std::pair<int, uint32_t>> left;
  for (const auto& [thread, parity] : barrier.waiting) {
    if (barrier.phase % 2 == parity) {
      left.emplace_back(thread, parity);
    } else {
      join(block.clocks[thread], barrier.released);
      wake(thread);
    }
  }
  barrier.waiting = std::move(left);
}

// Calls visit(address in shared memory, address in the matrix, bytes) for every 16 bytes of the
// box. Beyond the edges of the matrix the address is null and bytes is 0.
template <typename Visit>
void visit_box(uint32_t box, const TensorMap& map, int32_t first_x, int32_t first_y, Visit visit) {
  const int64_t row_bytes = int64_t{map.cols} * map.element_bytes;
  for (uint32_t r = 0; r < map.box_rows; ++r) {
    for (uint32_t byte = 0; byte < kSwizzledRowBytes; byte += kChunkBytes) {
      const int64_t y = first_y + int64_t{r}, x = int64_t{first_x} * map.element_bytes + byte;
      const bool inside = y >= 0 && y < map.rows && x >= 0 && x < row_bytes;
      visit(swizzled(box + r * kSwizzledRowBytes + byte),
            inside ? map.data + y * int64_t{map.stride_bytes} + x : nullptr,
            inside ? static_cast<size_t>(std::min<int64_t>(kChunkBytes, row_bytes - x)) : 0);
    }
  }
}

void check_box(uint32_t address, Site site) {
  if (address % kSwizzleBytes == 0) return;
  fail(text("misaligned: a swizzled box at an address ", address % kSwizzleBytes,
            " past a multiple of ", kSwizzleBytes, ", at ", describe(site)));
}

// The address of a byte of a row of an operand stored as swizzled rows of 128 bytes, in groups of
// eight.
uint32_t operand_address(uint64_t descriptor, uint32_t row, uint32_t byte) {
  const auto start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
  const auto stride = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  return swizzled(start + row / 8 * stride + row % 8 * kSwizzledRowBytes + byte);
}

// The address of an element of an operand stored as [k, cols]: panels of 64 columns, in which rows
// of 128 bytes are swizzled.
uint32_t transposed_address(uint64_t descriptor, uint32_t k, uint32_t col) {
  constexpr uint32_t kPanelCols = kSwizzledRowBytes / 2;
  const auto panel_bytes = static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4;
  return operand_address(descriptor, k, col % kPanelCols * 2) + col / kPanelCols * panel_bytes;
}

void check_operand(const Product& product, uint64_t descriptor, uint32_t rows) {
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t byte = 0; byte < kProductBytes; byte += kChunkBytes) {
      check_access_for(product.number, operand_address(descriptor, row, byte), Access::read,
                       product.site);
    }
  }
}

void check_operands(const Product& product) {
  if (product.held.empty()) {
    check_operand(product, product.a, kProductRows);
    return check_operand(product, product.b, product.cols);
  }
  for (uint32_t k = 0; k < kProductBytes / 2; ++k) {
    for (uint32_t col = 0; col < product.cols; col += kChunkBytes / 2) {
      check_access_for(product.number, transposed_address(product.b, k, col), Access::read,
                       product.site);
    }
  }
}

float half_at(const void* p, Multiplicand type) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  if (type == Multiplicand::bf16) return qwen3::cuda::to_float(qwen3::cuda::bf16{bits});
  return qwen3::cuda::to_float(qwen3::cuda::f16{bits});
}

// Reads an operand as row-major [k][rows], so that the inner loop of `multiply` runs over columns.
template <typename Sum>
void read_operand(uint64_t descriptor, uint32_t rows, Multiplicand type, Sum* values) {
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t byte = 0; byte < kProductBytes; byte += kChunkBytes) {
      const char* from = shared.window + operand_address(descriptor, row, byte);
      if constexpr (std::is_same_v<Sum, int32_t>) {
        for (uint32_t i = 0; i < kChunkBytes; ++i) {
          values[(byte + i) * rows + row] = static_cast<int8_t>(from[i]);
        }
      } else {
        for (uint32_t i = 0; i < kChunkBytes / 2; ++i) {
          values[(byte / 2 + i) * rows + row] = half_at(from + 2 * i, type);
        }
      }
    }
  }
}

// Reads both operands if the left one is in registers: register i of thread t is
// row 16 (t / 32) + t % 32 / 4 + 8 (i % 2), columns 2 (t % 4) + 8 (i / 2) and the next.
void read_operands(const Product& product, float* a, float* b) {
  for (uint32_t t = 0; t < kWarpgroupThreads; ++t) {
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = t / 32 * 16 + t % 32 / 4 + i % 2 * 8, k = t % 4 * 2 + i / 2 * 8;
      const auto* pair = reinterpret_cast<const char*>(&product.held[t].values[i]);
      for (uint32_t e = 0; e < 2; ++e)
        a[(k + e) * kProductRows + row] = half_at(pair + 2 * e, product.type);
    }
  }
  for (uint32_t k = 0; k < kProductBytes / 2; ++k) {
    for (uint32_t col = 0; col < product.cols; ++col) {
      b[k * product.cols + col] =
          half_at(shared.window + transposed_address(product.b, k, col), product.type);
    }
  }
}

// Element i of thread t's sums is row 16 (t / 32) + t % 32 / 4 + 8 (i / 2 % 2),
// column 8 (i / 4) + 2 (t % 4) + i % 2.
template <typename Sum>
void multiply(const Product& product, uint32_t* sums) {
  constexpr uint32_t kMaxInner = kProductBytes / (std::is_same_v<Sum, int32_t> ? 1 : 2);
  static Sum a[kMaxInner * kProductRows], b[kMaxInner * kMaxProductCols], row_sums[kMaxProductCols];
  const uint32_t cols = product.cols;
  if constexpr (std::is_same_v<Sum, float>) {
    if (!product.held.empty()) read_operands(product, a, b);
  }
  if (product.held.empty()) {
    read_operand(product.a, kProductRows, product.type, a);
    read_operand(product.b, cols, product.type, b);
  }
  for (uint32_t row = 0; row < kProductRows; ++row) {
    const auto sum_at = [&](uint32_t col) {
      const uint32_t thread = row / 16 * 32 + row % 8 * 4 + col % 8 / 2;
      return sums + thread * (cols / 2) + col / 8 * 4 + row / 8 % 2 * 2 + col % 2;
    };
    for (uint32_t col = 0; col < cols; ++col) {
      row_sums[col] = product.accumulate ? __builtin_bit_cast(Sum, *sum_at(col)) : 0;
    }
    for (uint32_t k = 0; k < kMaxInner; ++k) {
      const Sum left = a[k * kProductRows + row];
      for (uint32_t col = 0; col < cols; ++col) row_sums[col] += left * b[k * cols + col];
    }
    for (uint32_t col = 0; col < cols; ++col)
      *sum_at(col) = __builtin_bit_cast(uint32_t, row_sums[col]);
  }
}

Warpgroup& current_warpgroup() {
  return warpgroups[static_cast<size_t>(block.me / kWarpgroupThreads)];
}

template <typename Arguments, typename Perform>
void warpgroup_operation(const char* name, Arguments& mine, Site site, Perform perform) {
  if (block.count % kWarpgroupThreads != 0)
    fail("wgmma in a block whose threads are not a multiple of 128");
  collective<kWarpgroupThreads>(current_warpgroup().operation, name, mine, site, perform);
}

// Moves the sums out of the threads' registers, and poisons these.
void move_sums_out(Warpgroup& group, const Product& product) {
  Sums& sums = group.sums[product.sums[0]];
  if (sums.products++ > 0) return;
  const size_t count = product.cols / 2;
  sums.values.resize(kWarpgroupThreads * count);
  for (size_t t = 0; t < kWarpgroupThreads; ++t) {
    auto* registers = static_cast<uint32_t*>(product.sums[t]);
    std::copy_n(registers, count, &sums.values[t * count]);
    std::fill_n(registers, count, product.type == Multiplicand::s8 ? kIntegerPoison : kPoison);
  }
}

void complete_product(Warpgroup& group, const Product& product) {
  check_operands(product);
  for (const Held& held : product.held) {
    if (!std::equal(held.values, held.values + 4, held.registers)) {
      fail("registers that wgmma at " + describe(product.site) +
           " reads are changed before it is waited for");
    }
  }
  Sums& sums = group.sums[product.sums[0]];
  if (product.type == Multiplicand::s8) {
    multiply<int32_t>(product, sums.values.data());
  } else {
    multiply<float>(product, sums.values.data());
  }
  ++counters.wgmma;
  if (--sums.products > 0) return;
  const size_t count = product.cols / 2;
  for (size_t t = 0; t < kWarpgroupThreads; ++t) {
    std::copy_n(&sums.values[t * count], count, static_cast<uint32_t*>(product.sums[t]));
  }
  group.sums.erase(product.sums[0]);
}

float add_flushed(float a, float b) {
  const auto flushed = [](float value) {
    return std::fpclassify(value) == FP_SUBNORMAL ? value * 0 : value;
  };
  return flushed(flushed(a) + flushed(b));
}

void complete_store(const Store& store) {
  visit_box(store.from, store.map, store.x, store.y,
            [&](uint32_t address, const char* target, size_t bytes) {
              if (bytes == 0) return;
              const char* from = shared.window + address;
              auto* to = const_cast<char*>(target);
              check_access(from, bytes, Access::read, store.site, store.number, store.clock);
              if (store.adds)
                check_access(to, bytes, Access::read, store.site, store.number, store.clock);
              check_access(to, bytes, Access::write, store.site, store.number, store.clock);
              if (!store.adds) {
                std::memcpy(to, from, bytes);
                return;
              }
              for (size_t i = 0; i < bytes; i += sizeof(float)) {
                float sum, value;
                std::memcpy(&sum, to + i, sizeof sum);
                std::memcpy(&value, from + i, sizeof value);
                sum = add_flushed(sum, value);
                std::memcpy(to + i, &sum, sizeof sum);
              }
            });
}

}  // namespace

void begin_hopper_block() {
  mbarriers.clear();
  copies.clear();
  stores.assign(static_cast<size_t>(block.count), {});
  warpgroups.assign(static_cast<size_t>(block.count + kWarpgroupThreads - 1) / kWarpgroupThreads,
                    {});
}

// --- Mbarriers: a phase ends when all expected arrivals and bytes have come ----------------------

void mbarrier_init(uint32_t address, uint32_t count, const char* file, int line) {
  const Site site = site_of(file, line);
  check_alignment(shared.window + address, sizeof(uint64_t), site);
  check_access(shared.window + address, sizeof(uint64_t), Access::write, site, block.me,
               block.clock());
  mbarriers[address] = {count, count, 0, 0, fresh_clock(), fresh_clock(), {}, site, false};
}

void fence_mbarrier_init() {
  for (auto& [address, barrier] : mbarriers) barrier.fenced = true;
}

void mbarrier_arrive(uint32_t address, uint32_t bytes, const char* file, int line) {
  const Site site = site_of(file, line);
  Mbarrier& barrier = mbarrier_at(address, site);
  if (barrier.pending == 0) {
    fail(text("more than ", barrier.count, " arrivals in a phase of ", name_of_mbarrier(address),
              ": thread ", block.me, " at ", describe(site)));
  }
  join(barrier.seen, block.clock());
  tick(block.me);
  barrier.bytes += bytes;
  --barrier.pending;
  complete_phase(barrier);
}

void mbarrier_wait(uint32_t address, uint32_t parity, const char* file, int line) {
  const Site site = site_of(file, line);
  Mbarrier& barrier = mbarrier_at(address, site);
  if (barrier.phase % 2 != parity) return join(block.clock(), barrier.released);
  barrier.waiting.emplace_back(block.me, parity);
  sleep_in("mbarrier_wait", site, address);
}

std::string describe_mbarrier(uint32_t address) {
  const Mbarrier& barrier = mbarriers.at(address);
  return text(name_of_mbarrier(address), ": phase ", barrier.phase, ", ", barrier.pending, " of ",
              barrier.count, " arrivals and ", barrier.bytes, " bytes outstanding");
}

// --- TMA loads: the box is NaN until it lands, at a moment that the schedule chooses -------------

void tma_load_2d(uint32_t to, const TensorMap& map, uint32_t mbarrier, int32_t x, int32_t y,
                 const char* file, int line) {
  const Site site = site_of(file, line);
  check_box(to, site);
  const Mbarrier& barrier = mbarrier_at(mbarrier, site);
  if (!barrier.fenced) {
    fail(text("fence_mbarrier_init is missing: ", name_of_mbarrier(mbarrier), ", initialized at ",
              describe(barrier.site), ", is used by TMA at ", describe(site)));
  }
  const TensorCopy copy{to, map, mbarrier, x, y, begin_asynchronous(block.clock()), site};
  visit_box(to, map, x, y, [&](uint32_t address, const char*, size_t) {
    check_access_for(copy.number, address, Access::copy_begins, site);
    std::memset(shared.window + address, 0xff, kChunkBytes);
  });
  copies.push_back(copy);
}

size_t copies_in_flight() { return copies.size(); }

// Bytes beyond the edges of the matrix count as landed too.
void land_copy(size_t index) {
  const TensorCopy copy = copies[index];
  copies.erase(copies.begin() + static_cast<ptrdiff_t>(index));
  visit_box(copy.to, copy.map, copy.x, copy.y,
            [&](uint32_t address, const char* from, size_t bytes) {
              if (bytes > 0) {
                check_access(from, bytes, Access::read, copy.site, copy.number,
                             block.clocks[copy.number]);
              }
              check_access_for(copy.number, address, Access::write, copy.site);
              std::memset(shared.window + address, 0, kChunkBytes);
              if (bytes > 0) std::memcpy(shared.window + address, from, bytes);
            });
  Mbarrier& barrier = mbarriers.at(copy.mbarrier);
  join(barrier.seen, block.clocks[copy.number]);
  barrier.bytes -= int64_t{copy.map.box_rows} * kSwizzledRowBytes;
  complete_phase(barrier);
}

std::string unfinished_copies() {
  if (copies.empty()) return "";
  return text("the block ends with a copy in flight, issued at ", describe(copies[0].site));
}

// --- TMA stores: a box is read when it is issued, and again, and stored, when it is waited for ---

void tma_store_2d(uint32_t from, const TensorMap& map, int32_t x, int32_t y, bool adds,
                  const char* file, int line) {
  const Site site = site_of(file, line);
  check_box(from, site);
  if (adds && map.element_bytes != sizeof(float)) fail("TMA adds only f32, at " + describe(site));
  const int number = begin_asynchronous(block.clock());
  const Store store{from, map, x, y, adds, number, block.clocks[number], site};
  visit_box(from, map, x, y, [&](uint32_t address, const char*, size_t bytes) {
    if (bytes > 0)
      check_access(shared.window + address, bytes, Access::read, site, number, store.clock);
  });
  stores[static_cast<size_t>(block.me)].open.push_back(store);
}

void tma_commit() {
  Stores& mine = stores[static_cast<size_t>(block.me)];
  mine.groups.push_back(std::move(mine.open));
  mine.open.clear();
}

void tma_wait_read(int groups_left) {
  Stores& mine = stores[static_cast<size_t>(block.me)];
  for (; mine.groups.size() > static_cast<size_t>(groups_left); mine.groups.pop_front()) {
    for (const Store& store : mine.groups.front()) {
      complete_store(store);
      join(block.clock(), store.clock);
    }
  }
}

// --- The asynchronous proxy ----------------------------------------------------------------------

// Copies and products may then read what the thread has seen until now.
void fence_proxy_async() {
  Clock& mine = block.clock();
  block.uses_proxies = true;
  mine.fenced.resize(mine.times.size(), 0);
  for (int i = 0; i < block.count; ++i) {
    auto& fenced = mine.fenced[static_cast<size_t>(i)];
    fenced = std::max({fenced, mine[i], era.barrier});
  }
  tick(block.me);
}

// --- wgmma: computed when it is waited for; until then the registers of the sums are poisoned ----

void wgmma_fence(const char* file, int line) {
  int self = block.me;
  warpgroup_operation("wgmma_fence", self, site_of(file, line),
                      [](int* const(&)[kWarpgroupThreads]) { current_warpgroup().fenced = true; });
}

namespace {

struct ProductArguments {
  void* sums;
  const uint32_t* held;  // null: a is in shared memory
  uint64_t a, b;         // descriptors; a is b if the left operand is in registers
  bool accumulate;
};

void issue(ProductArguments& mine, uint32_t cols, Multiplicand type, Site site) {
  for (const uint64_t descriptor : {mine.a, mine.b}) {
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0) {
      fail(text("only the 128-byte swizzle without base offset is emulated: wgmma at ",
                describe(site)));
    }
  }
  warpgroup_operation(
      "wgmma", mine, site, [&](ProductArguments* const(&threads)[kWarpgroupThreads]) {
        Warpgroup& group = current_warpgroup();
        if (!group.fenced) fail("wgmma_fence is missing before wgmma at " + describe(site));
        Product product{type, cols, mine.a, mine.b, mine.accumulate, {}, {}, 0, site};
        Clock seen = fresh_clock();
        for (int t = 0; t < kWarpgroupThreads; ++t) {
          const ProductArguments& theirs = *threads[t];
          if (theirs.a != mine.a || theirs.b != mine.b || theirs.accumulate != mine.accumulate) {
            fail("threads of a warpgroup disagree about wgmma at " + describe(site));
          }
          product.sums[t] = theirs.sums;
          if (theirs.held) {
            product.held.push_back({theirs.held, {}});
            std::copy_n(theirs.held, 4, product.held.back().values);
          }
          join(seen, block.clocks[block.me / kWarpgroupThreads * kWarpgroupThreads + t]);
        }
        product.number = begin_asynchronous(seen);
        check_operands(product);
        move_sums_out(group, product);
        group.open.push_back(product);
      });
}

}  // namespace

void wgmma(void* sums, uint32_t cols, uint64_t a, uint64_t b, bool accumulate, Multiplicand type,
           const char* file, int line) {
  ProductArguments mine{sums, nullptr, a, b, accumulate};
  issue(mine, cols, type, site_of(file, line));
}

void wgmma_registers(float* sums, uint32_t cols, const uint32_t (&a)[4], uint64_t b,
                     bool accumulate, Multiplicand type, const char* file, int line) {
  ProductArguments mine{sums, a, b, b, accumulate};
  issue(mine, cols, type, site_of(file, line));
}

void wgmma_commit(const char* file, int line) {
  int self = block.me;
  warpgroup_operation("wgmma_commit", self, site_of(file, line),
                      [](int* const(&)[kWarpgroupThreads]) {
                        Warpgroup& group = current_warpgroup();
                        group.groups.push_back(std::move(group.open));
                        group.open.clear();
                      });
}

void wgmma_wait(int groups_left, const char* file, int line) {
  int self = block.me;
  warpgroup_operation(
      "wgmma_wait", self, site_of(file, line), [=](int* const(&threads)[kWarpgroupThreads]) {
        Warpgroup& group = current_warpgroup();
        Clock completed = fresh_clock();
        for (; group.groups.size() > static_cast<size_t>(groups_left); group.groups.pop_front()) {
          for (const Product& product : group.groups.front()) {
            complete_product(group, product);
            join(completed, block.clocks[product.number]);
          }
        }
        for (const int* thread : threads) join(block.clocks[*thread], completed);
        if (groups_left == 0) group.fenced = false;  // the threads may now access the registers
      });
}

std::string unfinished_work() {
  const Stores& mine = stores[static_cast<size_t>(block.me)];
  for (const std::vector<Store>* group :
       {&mine.open, mine.groups.empty() ? &mine.open : &mine.groups.front()}) {
    if (group->empty()) continue;
    return text("thread ", block.me, " returns with a TMA store in flight, issued at ",
                describe(group->front().site));
  }
  const Warpgroup& group = current_warpgroup();
  if (group.open.empty() && group.groups.empty()) return "";
  const Product& product = group.open.empty() ? group.groups.front().front() : group.open[0];
  return text("thread ", block.me, " returns with a wgmma in flight, issued at ",
              describe(product.site));
}

}  // namespace emulator
