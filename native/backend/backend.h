// The interface between the model and a device: the ops of the forward pass and the plain types
// they use. No std:: type, exception or ownership crosses it, so a backend may live in a shared
// library of its own.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qwen3 {

// s8: integers from -127 to 127 in rows that have scales. Linear ops read weights and inputs in s8;
// no checkpoint stores it.
enum class DType : uint8_t { f32, bf16, f16, s8 };

constexpr size_t bytes_of(DType dtype) {
  return dtype == DType::f32 ? 4 : dtype == DType::s8 ? 1 : 2;
}

// A matrix in the backend's memory. Owns nothing.
//
// Activations, gains and tables are row-major. Rows of activations begin at multiples of 16 bytes.
// A weight of a linear op is in the backend's own layout, which only its linear ops can read.
//
// Inputs of linear ops have `scales`: one f32 per row, in the backend's memory. The matrix holds
// the values divided by their row's scale; s8 values are also rotated into a basis that the backend
// chooses. The caller sets the scales to 1; an op that writes the matrix may write other scales.
struct Matrix {
  void* data;
  uint32_t rows, cols;
  uint32_t stride;  // elements from one row to the next, at least cols
  DType dtype;
  float* scales = nullptr;  // null: all 1
};

// How a weight is used. A backend chooses the layout by it.
enum class WeightUse : uint8_t {
  table,       // [vocabulary, hidden], the token embeddings, read by gather
  linear,      // [out, in], read by linear
  linear_add,  // [out, in], read by linear_add
  gate_up,     // [2 * intermediate, in], gate rows then up rows, read by linear_swiglu
  gain,        // [1, n], f32, read by the norms
};

// Whether a linear op reads the weight.
constexpr bool is_linear(WeightUse use) {
  return use != WeightUse::table && use != WeightUse::gain;
}

struct WeightLayout {
  DType dtype;
  // 0: the backend does not support this weight.
  size_t bytes;
  // Additional bytes that the backend allocates for this weight, and frees at the latest in sync().
  size_t temporary = 0;
};

// Tokens per page of keys and values.
constexpr uint32_t kPageTokens = 64;

// Keys and values of consecutive tokens. Token t is in page
// `pages[t / kPageTokens] + layer * layer_stride`, slot `t % kPageTokens`.
struct KeyValueRun {
  // Block table, in the backend's memory.
  const uint32_t* pages;
  // Tokens of the whole run. Slots after the last token must not be read.
  uint32_t tokens;
  // In pages. 0: the run lives for one layer only, and every layer overwrites the previous one's
  // keys and values.
  uint32_t layer_stride;
};

// Consecutive rows of a chunk that belong to one sequence. Row `first_row + r` is the token at
// `position + r`. The sequence is the prefix run followed by the span's own run.
struct Span {
  uint32_t first_row, rows;
  // Position of first_row, at least prefix.tokens.
  uint32_t position;
  // prefix is shared and read-only; its tokens are 0 if there is none.
  KeyValueRun prefix, own;
};

struct Spans {
  const Span* data;  // in the backend's memory
  uint32_t count;
  uint32_t layer;
};

// Attention heads, their norm and their rotary position embedding (RoPE).
struct Heads {
  uint32_t query, key_value;  // number of heads; query is a multiple of key_value
  uint32_t dim;               // 128
  float norm_eps;
  // [positions, dim] f32 in the backend's memory: the cosines of the position's dim / 2 angles,
  // then their sines.
  const float* rotations;
};

// The vector of one text: the first `dimensions` values of row `row` after the final norm, scaled
// to unit length.
struct Pooled {
  uint32_t row;
  uint32_t dimensions;
  // [dimensions], host memory. All zeros if the vector is not finite.
  float* out;
  // Written by pool, valid after sync().
  bool finite;
};

// Ops enqueue work and return. Before sync(), the caller must neither release their matrices nor
// change them other than by ops.
//
// Shapes: T rows of the chunk, H hidden size, I intermediate size, Q = query heads * dim,
// KV = key/value heads * dim. "normed", "input" and "output" are the dtypes in Traits.
//
// Bit invariance: a row's result depends on no other row of the chunk. The same text gives the same
// bits in all batches whose sums are divided in the same way (see begin_batch).
class Backend {
 public:
  virtual ~Backend() = default;

  struct Traits {
    // Names for people to read, such as "cpu" and "AVX-512 BF16". They live as long as the backend.
    const char* name;
    const char* instruction_set;
    // CPU threads that the backend was opened with, or multiprocessors of a GPU.
    uint32_t threads;

    // Written by rms_norm, read by linear and linear_swiglu.
    DType normed;
    // Written by attention and linear_swiglu, read by linear_add.
    DType input;
    // Written by linear: queries, keys and values.
    DType output;
    // Number of rows from which ops run at full speed.
    uint32_t batch_rows;
    // Whether an allocation stops all work of the device. If so, the memory of batches is allocated
    // when the model is loaded.
    bool reserves;
  };
  virtual Traits traits() const noexcept = 0;

  // Begins a batch of `tokens` tokens. The backend may choose how it divides sums in this batch; if
  // `invariant`, it divides them as in all other invariant batches. Until the next call, a row's
  // bits depend on that row alone.
  virtual void begin_batch(uint32_t /*tokens*/, bool /*invariant*/) noexcept {}

  // Sets how many CPU threads, at least 1, may run the next ops. A GPU ignores it. No bit depends
  // on it.
  virtual void limit_threads(uint32_t /*threads*/) noexcept {}

  // out[i] = table[ids[i]]
  // table[n,H] f32, bf16 or f16, out[T,H] f32. `ids` [T] are in the backend's memory and less
  // than n.
  virtual void gather(const uint32_t* ids, Matrix table, Matrix out) noexcept = 0;

  // out[t] = x[t] / sqrt(mean(x[t]^2) + eps) * gain
  // x[T,H] f32, gain[1,H] f32, out[T,H] normed.
  virtual void rms_norm(Matrix x, Matrix gain, float eps, Matrix out) noexcept = 0;

  // out = in weight^T
  // in[T,n] normed, weight[m,n], out[T,m] output.
  virtual void linear(Matrix in, Matrix weight, Matrix out) noexcept = 0;

  // x += in weight^T
  // in[T,n] input, weight[H,n], x[T,H] f32. May overwrite `in`.
  virtual void linear_add(Matrix in, Matrix weight, Matrix x) noexcept = 0;

  // out = silu(in gate^T) * (in up^T), silu(a) = a / (1 + e^-a)
  // in[T,n] normed, gate_up[2I,n], out[T,I] input.
  virtual void linear_swiglu(Matrix in, Matrix gate_up, Matrix out) noexcept = 0;

  // Each query head, in place: RMS norm with `gain`, then RoPE, which rotates the pair of values
  // (i, i + dim / 2) by angle i of the row's position.
  // query[T,Q] output, gain[1,dim] f32.
  virtual void norm_rope(Matrix query, Matrix gain, Heads heads, Spans spans) noexcept = 0;

  // The same for each key head. Then stores keys and values in the pages of each span's own run.
  // key_value[T,2KV] output: keys in the first KV columns, values in the last K. gain[1,dim] f32.
  // May overwrite `key_value`.
  virtual void norm_rope_store(Matrix key_value, Matrix gain, Heads heads, Spans spans,
                               void* pages) noexcept = 0;

  // out = softmax(q k^T / sqrt(dim)) v, causal: over positions 0 to the row's own, in both runs.
  // query[T,Q] output, out[T,Q] input. Query head h reads key/value head
  // h / (heads.query / heads.key_value).
  virtual void attention(Matrix query, Heads heads, Spans spans, const void* pages,
                         Matrix out) noexcept = 0;

  // For each output: v = rms_norm(x[row]), cut to `dimensions` values; out = v / max(|v|, 1e-12)
  // x[T,H] f32, gain[1,H] f32. Writes host memory, at the latest in sync().
  virtual void pool(Matrix x, Matrix gain, float eps, Pooled* outputs, uint32_t count) noexcept = 0;

  // Waits for all enqueued work. Returns null, or the reason why the device failed. A failed device
  // fails permanently.
  virtual const char* sync() noexcept = 0;

  // Allocates memory for the ops, 64-byte aligned, not initialized. Returns null if there is not
  // enough.
  virtual void* allocate(size_t bytes) noexcept = 0;
  virtual void release(void* memory) noexcept = 0;
  // Copies host memory, which the caller must not change before sync().
  virtual void upload(void* to, const void* from, size_t bytes) noexcept = 0;
  // Bytes that can still be allocated. SIZE_MAX: unknown.
  virtual size_t available_bytes() const noexcept = 0;
  // Bytes of one page: keys and values of kPageTokens tokens of one layer.
  virtual size_t page_bytes(const Heads& heads) const noexcept = 0;

  // The backend's layout for a weight that the checkpoint stores as `stored`.
  virtual WeightLayout weight_layout(WeightUse use, uint32_t rows, uint32_t cols,
                                     DType stored) const noexcept = 0;
  // Converts rows [first_row, first_row + rows) of a weight from the checkpoint's bytes (row-major,
  // little endian, any alignment) into the layout. Calls must pass the rows in order, from the
  // first to the last. `from` may be reused on return.
  virtual void store_weight(Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                            const void* from, DType stored) noexcept = 0;
};

}  // namespace qwen3
