// Operations of a whole warp, and cp.async. In layouts, g = lane / 4 and q = lane % 4, as in the
// PTX ISA.

#include "block.h"
#include "emulator.h"

namespace emulator {
namespace {

constexpr int kLanes = kWarpThreads;
constexpr int kCopyBytes = 16;

void check_own_access(const void* p, size_t bytes, Access access, Site site) {
  check_access(p, bytes, access, site, block.me, block.clock());
}

template <typename Arguments, typename Perform>
void warp_operation(const char* name, Arguments& mine, Site site, Perform perform) {
  collective<kLanes>(block.warps[static_cast<size_t>(block.me / kLanes)], name, mine, site,
                     perform);
}

float half_of(uint32_t pair, int which, Multiplicand type) {
  const auto bits = static_cast<uint16_t>(pair >> 16 * which);
  if (type == Multiplicand::bf16) return qwen3::cuda::to_float(qwen3::cuda::bf16{bits});
  return qwen3::cuda::to_float(qwen3::cuda::f16{bits});
}

float dot_of_halves(const uint32_t* x, const uint32_t* y, Multiplicand type) {
  float dot = 0;
  for (int r = 0; r < 8; ++r) {
    for (int half = 0; half < 2; ++half)
      dot += half_of(x[r], half, type) * half_of(y[r], half, type);
  }
  return dot;
}

int32_t dot_of_bytes(const uint32_t* x, const uint32_t* y) {
  int32_t dot = 0;
  for (int r = 0; r < 8; ++r) {
    for (int byte = 0; byte < 4; ++byte) {
      dot += static_cast<int8_t>(x[r] >> 8 * byte) * static_cast<int8_t>(y[r] >> 8 * byte);
    }
  }
  return dot;
}

}  // namespace

Lane lane() { return static_cast<Lane>(block.me) % kLanes; }

void warp_barrier(const char* file, int line) {
  int self = block.me;
  warp_operation("sync_warp", self, site_of(file, line), [](int* const(&threads)[kLanes]) {
    Clock seen = fresh_clock();
    for (const int* t : threads) join(seen, block.clocks[*t]);
    for (const int* t : threads) {
      join(block.clocks[*t], seen);
      tick(*t);
    }
  });
}

uint32_t shuffle(uint32_t value, Lane from, const char* file, int line) {
  struct Arguments {
    uint32_t value;
    Lane from;
    uint32_t result;
  } mine{value, from % kLanes, 0};
  warp_operation("shuffle", mine, site_of(file, line), [](Arguments* const(&lanes)[kLanes]) {
    for (Arguments* a : lanes) a->result = lanes[a->from]->value;
  });
  return mine.result;
}

// Orders nothing: a thread that reads the result has not thereby seen earlier writes of other
// threads.
uint32_t atomic_add(uint32_t* to, uint32_t value, const char* file, int line) {
  const Site site = site_of(file, line);
  check_alignment(to, sizeof *to, site);
  check_own_access(to, sizeof *to, Access::atomic, site);
  const uint32_t before = *to;
  *to += value;
  return before;
}

// --- cp.async: copies land when the issuing thread waits; the destination is NaN until then ------

void cp_async(uint32_t to, const void* from, int bytes, const char* file, int line) {
  const Site site = site_of(file, line);
  if (bytes < 0 || bytes > kCopyBytes)
    fail(text("cp.async of ", bytes, " bytes at ", describe(site)));
  if (bytes > 0) {
    check_alignment(from, kCopyBytes, site);
    check_own_access(from, static_cast<size_t>(bytes), Access::read, site);
  }
  check_alignment(shared.window + to, kCopyBytes, site);
  check_own_access(shared.window + to, kCopyBytes, Access::copy_begins, site);
  std::memset(shared.window + to, 0xff, kCopyBytes);
  block.thread().open.push_back({to, from, bytes, site});
}

void cp_async_commit() {
  Thread& self = block.thread();
  self.groups.push_back(std::move(self.open));
  self.open.clear();
}

void cp_async_wait(int groups_left) {
  auto& groups = block.thread().groups;
  for (; groups.size() > static_cast<size_t>(groups_left); groups.pop_front()) {
    for (const Copy& copy : groups.front()) {
      char* to = shared.window + copy.to;
      check_own_access(to, kCopyBytes, Access::write, copy.site);
      std::memset(to, 0, kCopyBytes);
      std::memcpy(to, copy.from, static_cast<size_t>(copy.bytes));
    }
  }
}

// --- Tensor cores --------------------------------------------------------------------------------

// Lane l reads row l % 8 of matrix l / 8, so that a bad address is reported with the thread that
// passed it. Of matrix m it receives row g, columns 2q and 2q + 1; transposed: column g, rows 2q
// and 2q + 1.
void ldmatrix_x4(uint32_t (&registers)[4], bool transposed, uint32_t address, const char* file,
                 int line) {
  struct Arguments {
    uint16_t row[8];
    uint32_t* registers;
    uint32_t address;
  } mine{{}, registers, address};
  const Site site = site_of(file, line);
  const void* row = shared.window + address;
  check_alignment(row, sizeof mine.row, site);
  check_own_access(row, sizeof mine.row, Access::read, site);
  std::memcpy(mine.row, row, sizeof mine.row);

  const char* name = transposed ? "ldmatrix.trans" : "ldmatrix";
  warp_operation(name, mine, site, [transposed](Arguments* const(&lanes)[kLanes]) {
    for (int m = 0; m < 4; ++m) {
      Arguments* const* rows = lanes + m * 8;
      for (int i = 0; i < 8; ++i) {
        // Equal 16-byte offsets in different 128-byte lines have the same banks.
        for (int j = 0; j < i; ++j) {
          const uint32_t a = rows[i]->address / 16, b = rows[j]->address / 16;
          if (a % 8 == b % 8 && a != b) {
            ++counters.bank_conflicts;
            break;
          }
        }
      }
      counters.ldmatrix_rows += 8;
      for (int l = 0; l < kLanes; ++l) {
        const int g = l / 4, c = l % 4 * 2;
        const uint16_t low = transposed ? rows[c]->row[g] : rows[g]->row[c];
        const uint16_t high = transposed ? rows[c + 1]->row[g] : rows[g]->row[c + 1];
        lanes[l]->registers[m] = low | static_cast<uint32_t>(high) << 16;
      }
    }
  });
}

// Fragment layouts, in bytes of a row: a[i] is row g + 8 (i % 2), 4 bytes from 4q + 16 (i / 2) on;
// b[i] is row g, 4 bytes from 4q + 16 i on; sum[i] is row g + 8 (i / 2), column 2q + i % 2.
void mma(void* sum, const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Multiplicand type,
         const char* file, int line) {
  struct Arguments {
    void* sum;
    const uint32_t* a;
    uint32_t b[2];
  } mine{sum, a, {b0, b1}};
  static constexpr const char* kNames[] = {"mma.bf16", "mma.f16", "mma.s8"};
  warp_operation(kNames[static_cast<int>(type)], mine, site_of(file, line),
                 [type](Arguments* const(&lanes)[kLanes]) {
                   uint32_t left[16][8], right[8][8];  // 4 bytes of a row each
                   for (int l = 0; l < kLanes; ++l) {
                     const int g = l / 4, q = l % 4;
                     for (int i = 0; i < 4; ++i)
                       left[g + 8 * (i % 2)][q + 4 * (i / 2)] = lanes[l]->a[i];
                     for (int i = 0; i < 2; ++i) right[g][q + 4 * i] = lanes[l]->b[i];
                   }
                   for (int l = 0; l < kLanes; ++l) {
                     const int g = l / 4, q = l % 4;
                     for (int i = 0; i < 4; ++i) {
                       const uint32_t *x = left[g + 8 * (i / 2)], *y = right[2 * q + i % 2];
                       if (type == Multiplicand::s8) {
                         static_cast<int32_t*>(lanes[l]->sum)[i] += dot_of_bytes(x, y);
                       } else {
                         static_cast<float*>(lanes[l]->sum)[i] += dot_of_halves(x, y, type);
                       }
                     }
                   }
                   ++counters.mma;
                 });
}

}  // namespace emulator
