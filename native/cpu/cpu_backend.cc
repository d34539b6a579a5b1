// The CPU backend: divides every op into tasks for the thread pool. The kernels of an instruction
// set compute a task. gather and pool, which take almost no time, are implemented here.
#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "cpu/isa/find_kernels.h"
#include "cpu/kernels/kernels.h"
#include "cpu/numbers.h"
#include "cpu/pack.h"
#include "cpu/thread_pool.h"
#include "platform/memory.h"

namespace qwen3 {
namespace {

using cpu::ceil_div;
using cpu::Epilogue;
using cpu::Kernels;
using cpu::Product;
using cpu::Range;
using cpu::Stored;

// Enough for every product of the 0.6B model to run at its full rate on 2 cores, while intermediate
// results take only 25 MB.
constexpr uint32_t kBatchRows = 512;

// Divides `total` items into as few ranges of at most `max_size` as possible, of nearly equal size.
struct Partition {
  uint32_t total, count, size;

  Partition(uint32_t total, uint32_t max_size)
      : total(total),
        count(ceil_div(total, std::max(max_size, 1u))),
        size(count ? ceil_div(total, count) : 0) {}
  Range operator[](uint32_t index) const {
    const uint32_t first = index * size;
    return {first, std::min(size, total - first)};
  }
};

// Scratch memory for each thread, multiples of 4096 bytes apart.
class ThreadScratch {
 public:
  explicit ThreadScratch(size_t bytes_per_thread)
      : stride_((bytes_per_thread + 4095) / 4096 * 4096) {}
  ~ThreadScratch() { release_aligned(memory_); }
  ThreadScratch(const ThreadScratch&) = delete;
  ThreadScratch& operator=(const ThreadScratch&) = delete;

  // Provides memory for `threads` threads, or for as many as before if there is not enough. Returns
  // for how many, at most `threads`.
  uint32_t reserve(uint32_t threads) noexcept {
    if (threads > threads_) {
      if (void* larger = allocate_aligned(stride_ * threads)) {
        release_aligned(memory_);
        memory_ = larger;
        threads_ = threads;
      }
    }
    return std::min(threads, threads_);
  }
  void* of(uint32_t thread) const { return static_cast<char*>(memory_) + thread * stride_; }

 private:
  size_t stride_;
  uint32_t threads_ = 0;
  void* memory_ = nullptr;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(const Kernels& kernels, Threads threads)
      : kernels_(kernels),
        opened_with_(threads.count),
        threads_(std::move(threads)),
        scratch_(kernels.scratch_bytes) {
    threads_.pool->reserve(opened_with_);
    if (scratch_.reserve(opened_with_) < opened_with_) throw std::bad_alloc();
  }

  Traits traits() const noexcept override {
    return {.name = "cpu",
            .instruction_set = kernels_.name,
            .threads = opened_with_,
            .normed = kernels_.input,
            .input = kernels_.input,
            .output = DType::f32,
            .batch_rows = kBatchRows,
            .reserves = false};
  }

  void limit_threads(uint32_t threads) noexcept override {
    threads_.count = scratch_.reserve(threads);
  }

  void gather(const uint32_t* ids, Matrix table, Matrix out) noexcept override {
    cpu::with_stored(table.dtype, [&](auto stored) {
      for_rows(out.rows, [&](Range rows) {
        for (uint32_t r = rows.first; r < rows.first + rows.count; ++r) {
          const auto* from = static_cast<const unsigned char*>(table.data) +
                             size_t{ids[r]} * table.stride * bytes_of(table.dtype);
          float* to = static_cast<float*>(out.data) + size_t{r} * out.stride;
          for (uint32_t i = 0; i < out.cols; ++i) to[i] = stored.at(from, i);
        }
      });
    });
  }

  void rms_norm(Matrix x, Matrix gain, float eps, Matrix out) noexcept override {
    for_rows(x.rows, [&](Range rows) { kernels_.rms_norm(x, gain, eps, out, rows); });
  }

  void linear(Matrix in, Matrix weight, Matrix out) noexcept override {
    multiply({in, weight, out, Epilogue::store});
  }
  void linear_add(Matrix in, Matrix weight, Matrix x) noexcept override {
    multiply({in, weight, x, Epilogue::add});
  }
  void linear_swiglu(Matrix in, Matrix gate_up, Matrix out) noexcept override {
    multiply({in, gate_up, out, Epilogue::swiglu});
  }

  void norm_rope(Matrix query, Matrix gain, Heads heads, Spans spans) noexcept override {
    for_rows(query.rows, [&](Range rows) { kernels_.norm_rope(query, gain, heads, spans, rows); });
  }

  void norm_rope_store(Matrix key_value, Matrix gain, Heads heads, Spans spans,
                       void* pages) noexcept override {
    // Neighboring keys share cache lines of a page, so a task is up to 64 rows of one head.
    const Partition rows(key_value.rows, kPageTokens);
    threads_.run(rows.count * heads.key_value, [&](uint32_t task, uint32_t) {
      kernels_.norm_rope_store(key_value, gain, heads, spans, pages, rows[task / heads.key_value],
                               task % heads.key_value);
    });
  }

  void attention(Matrix query, Heads heads, Spans spans, const void* pages,
                 Matrix out) noexcept override {
    const Partition rows(query.rows, kernels_.query_rows);
    threads_.run(rows.count * heads.query, [&](uint32_t task, uint32_t thread) {
      // Later rows have more keys, so within a text the rows with the most keys start first. Tasks
      // of heads that share keys are adjacent.
      kernels_.attention(query, heads, spans, pages, out, rows[rows.count - 1 - task / heads.query],
                         task % heads.query, scratch_.of(thread));
    });
  }

  void pool(Matrix x, Matrix gain, float eps, Pooled* outputs, uint32_t count) noexcept override {
    // Not on the thread pool, which may be busy loading a model: the engine holds locks until this
    // returns.
    for (uint32_t i = 0; i < count; ++i) pool_row(x, gain, eps, outputs[i]);
  }

  const char* sync() noexcept override { return nullptr; }

  void* allocate(size_t bytes) noexcept override { return allocate_aligned(bytes); }
  void release(void* memory) noexcept override { release_aligned(memory); }
  void upload(void* to, const void* from, size_t bytes) noexcept override {
    std::memcpy(to, from, bytes);
  }
  size_t available_bytes() const noexcept override { return available_memory(); }
  size_t page_bytes(const Heads& heads) const noexcept override {
    return size_t{2} * heads.key_value * kPageTokens * heads.dim * bytes_of(kernels_.input);
  }

  WeightLayout weight_layout(WeightUse use, uint32_t rows, uint32_t cols,
                             DType stored) const noexcept override {
    if (use == WeightUse::table) return {stored, size_t{rows} * cols * bytes_of(stored)};
    if (use == WeightUse::gain) return {DType::f32, size_t{rows} * cols * sizeof(float)};
    const DType dtype = kernels_.weights == cpu::PanelFormat::f32 ? DType::f32 : DType::bf16;
    return {dtype, cpu::packed_bytes(kernels_.weights, kernels_.width, rows, cols)};
  }

  void store_weight(Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                    const void* from, DType stored) noexcept override {
    if (is_linear(use)) {
      cpu::pack_weight(kernels_.weights, kernels_.width, weight, use, {first_row, rows}, from,
                       stored, threads_);
      return;
    }
    const size_t row_bytes = weight.cols * bytes_of(stored);
    for_rows(rows, [&](Range some) {
      for (uint32_t r = some.first; r < some.first + some.count; ++r) {
        const auto* source = static_cast<const unsigned char*>(from) + r * row_bytes;
        auto* to = static_cast<unsigned char*>(weight.data) +
                   size_t{first_row + r} * weight.stride * bytes_of(weight.dtype);
        if (weight.dtype == stored) {
          std::memcpy(to, source, row_bytes);
        } else {
          cpu::with_stored(stored, [&](auto value) {
            for (uint32_t i = 0; i < weight.cols; ++i)
              reinterpret_cast<float*>(to)[i] = value.at(source, i);
          });
        }
      }
    });
  }

 private:
  // Several tasks per thread, so that the load stays balanced when a thread is delayed.
  static constexpr uint32_t kTasksPerThread = 4;
  static constexpr uint32_t kMinTaskRows = 8;  // fewer are not worth waking a thread

  template <typename Function>
  void for_rows(uint32_t rows, const Function& function) {
    const Partition tasks(rows,
                          std::max(ceil_div(rows, kTasksPerThread * threads_.count), kMinTaskRows));
    threads_.run(tasks.count, [&](uint32_t task, uint32_t) { function(tasks[task]); });
  }

  void multiply(const Product& product) {
    const Partition rows(product.in.rows, kernels_.block_rows);
    const uint32_t panels = ceil_div(product.weight.rows, kernels_.width);
    const uint32_t wanted = ceil_div(kTasksPerThread * threads_.count, std::max(rows.count, 1u));
    const Partition groups(panels, std::min(kernels_.block_panels, ceil_div(panels, wanted)));
    // All panels for a block of rows come before the next block: the rows stay in the cache while
    // the weights stream through it.
    threads_.run(rows.count * groups.count, [&](uint32_t task, uint32_t thread) {
      kernels_.multiply(product, rows[task / groups.count], groups[task % groups.count],
                        scratch_.of(thread));
    });
  }

  static void pool_row(Matrix x, Matrix gain, float eps, Pooled& output) {
    const float* in = static_cast<const float*>(x.data) + size_t{output.row} * x.stride;
    const float* gains = static_cast<const float*>(gain.data);
    double squares = 0;
    for (uint32_t i = 0; i < x.cols; ++i) squares += double{in[i]} * in[i];
    const double scale = 1 / std::sqrt(squares / x.cols + eps);
    double cut_squares = 0;
    for (uint32_t i = 0; i < output.dimensions; ++i) {
      const double normed = in[i] * scale * gains[i];
      cut_squares += normed * normed;
    }
    // The scale must be positive: an infinity anywhere in the row, even after the first
    // `dimensions` values, makes it 0.
    output.finite = scale > 0 && std::isfinite(cut_squares);
    // As torch.nn.functional.normalize.
    const double norm = std::max(std::sqrt(cut_squares), 1e-12);
    for (uint32_t i = 0; i < output.dimensions; ++i) {
      output.out[i] = output.finite ? static_cast<float>(in[i] * scale * gains[i] / norm) : 0;
    }
  }

  const Kernels& kernels_;
  const uint32_t opened_with_;
  Threads threads_;  // changes between batches
  ThreadScratch scratch_;
};

}  // namespace

std::unique_ptr<Backend> open_cpu_backend(Isa isa, DType weights, Threads threads) {
  return std::make_unique<CpuBackend>(cpu::find_kernels(isa, weights), std::move(threads));
}

}  // namespace qwen3
