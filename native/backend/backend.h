// The one seam between the model and a device: the ops of the forward pass, and the plain types they take.
// No std:: type, no exception and no ownership crosses it, so a backend may live in a shared library of its own.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qwen3 {

// s8: whole numbers from -127 to 127 in rows with scales. Of weights and of what linear ops read, in no checkpoint.
enum class DType : uint8_t { f32, bf16, f16, s8 };

constexpr size_t bytes_of(DType dtype) {
  return dtype == DType::f32 ? 4 : dtype == DType::s8 ? 1 : 2;
}

// A matrix in the backend's memory. Owns nothing.
//
// Activations, gains and tables are row-major; rows of activations begin at multiples of 16 bytes. What `weight_layout` made for linear ops is in the backend's own layout;
// only that backend's linear ops can read it.
//
// What linear ops read has `scales`, one f32 per row in the backend's memory: the matrix holds values divided by them, and
// in s8 in a basis of the backend's own. They are 1 until an op needs others.
struct Matrix {
  void* data;
  uint32_t rows, cols;
  uint32_t stride;  // elements from one row to the next, at least cols
  DType dtype;
  float* scales = nullptr;  // null: all 1
};

// What a weight is for decides how a backend lays it out.
enum class WeightUse : uint8_t {
  table,       // rows are gathered: the token embeddings
  linear,      // [out, in], read by linear
  linear_add,  // [out, in], read by linear_add
  gate_up,     // [2 * intermediate, in], gate rows then up rows, read by linear_swiglu
  gain,        // [1, n], f32, read by the norms
};

// Whether it is a linear op that reads the weight.
constexpr bool is_linear(WeightUse use) {
  return use != WeightUse::table && use != WeightUse::gain;
}

struct WeightLayout {
  DType dtype;
  size_t bytes;          // 0: the backend does not compute it
  size_t temporary = 0;  // bytes that it takes besides, until sync()
};

// Tokens per page of keys and values.
constexpr uint32_t kPageTokens = 64;

// Keys and values of consecutive tokens: token t lies in page `pages[t / kPageTokens] + layer * layer_stride`, slot
// t % kPageTokens. A run that lives for one layer only has layer_stride 0: every layer overwrites the last one's.
struct KeyValueRun {
  const uint32_t* pages;  // block table, in the backend's memory
  uint32_t tokens;        // of the whole run; slots past them hold nothing that may be read
  uint32_t layer_stride;  // in pages
};

// Consecutive rows of a chunk that belong to one sequence. Row `first_row + r` is the token at `position + r`.
// Its sequence is the prefix run (shared, read only, tokens 0: none) followed by its own run.
struct Span {
  uint32_t first_row, rows;
  uint32_t position;  // of first_row, at least prefix.tokens
  KeyValueRun prefix, own;
};

struct Spans {
  const Span* data;  // in the backend's memory
  uint32_t count;
  uint32_t layer;
};

// Attention heads, their norm and their rotation.
struct Heads {
  uint32_t query, key_value;  // query is a multiple of key_value
  uint32_t dim;               // 128
  float norm_eps;
  // [positions, dim] f32 in the backend's memory: cosines of the position's dim / 2 angles, then their sines.
  const float* rotations;
};

// One text's vector: the first `dimensions` values of row `row`, made a unit vector.
struct Pooled {
  uint32_t row;
  uint32_t dimensions;
  float* out;   // [dimensions], host memory; all zeros where the vector is not finite
  bool finite;  // written by pool, valid after sync()
};

// Ops enqueue and return; matrices must stay as they are until sync(). Shapes use T for the rows of a chunk, H hidden,
// I intermediate, Q query heads x dim, K key/value heads x dim. A row's result depends on no other row of the chunk:
// the same text gives the same bits in any batch that sums are divided for in the same way (begin_batch).
class Backend {
 public:
  virtual ~Backend() = default;

  // What runs the ops, for people to read: "cpu", "AVX-512 BF16", 8. Strings live as long as the backend.
  struct Traits {
    const char* name;
    const char* instruction_set;
    uint32_t threads;
    DType normed;         // what rms_norm writes, linear and linear_swiglu read
    DType input;          // what attention and linear_swiglu write, linear_add reads
    DType output;         // what linear writes: queries, keys and values
    uint32_t batch_rows;  // rows at which ops reach their full speed
    bool
        reserves;  // allocating stops all work: what batches need is asked for when a model is loaded
  };
  virtual Traits traits() const noexcept = 0;

  // A batch of so many tokens begins: a backend may choose how it divides sums for all of it, unless `invariant` says
  // that it must divide them as in all other such batches. Between two calls a row's bits depend on the row alone.
  virtual void begin_batch(uint32_t /*tokens*/, bool /*invariant*/) noexcept {}

  // out[i] = table[ids[i]], as f32. ids are in the backend's memory and below table.rows.
  virtual void gather(const uint32_t* ids, Matrix table, Matrix out) noexcept = 0;
  // out[t] = x[t] / sqrt(mean(x[t]^2) + eps) * gain. x[T,H] f32, out[T,H] normed dtype.
  virtual void rms_norm(Matrix x, Matrix gain, float eps, Matrix out) noexcept = 0;
  // out = in weight^T. in[T,n], weight[m,n], out[T,m].
  virtual void linear(Matrix in, Matrix weight, Matrix out) noexcept = 0;
  // x += in weight^T. x[T,H] f32. `in` may be overwritten.
  virtual void linear_add(Matrix in, Matrix weight, Matrix x) noexcept = 0;
  // out = silu(in gate^T) * (in up^T). out[T,I] input dtype.
  virtual void linear_swiglu(Matrix in, Matrix gate_up, Matrix out) noexcept = 0;
  // RMS norm of every query head with gain[1,dim], then its rotation, in place. query[T,Q].
  virtual void norm_rope(Matrix query, Matrix gain, Heads heads, Spans spans) noexcept = 0;
  // The same for the keys in the first K columns of key_value[T,2K]; keys and values (the last K columns) are then
  // stored in the pages of each span's own run. key_value may be overwritten.
  virtual void norm_rope_store(Matrix key_value, Matrix gain, Heads heads, Spans spans,
                               void* pages) noexcept = 0;
  // Causal attention: softmax(q k^T / sqrt(dim)) v over positions 0 to the row's own, both runs. out[T,Q] input dtype.
  // Query head h reads key/value head h / (query / key_value).
  virtual void attention(Matrix query, Heads heads, Spans spans, const void* pages,
                         Matrix out) noexcept = 0;
  // Final norm of x's rows, the cut to `dimensions`, L2 norm. Host memory is written no later than sync().
  virtual void pool(Matrix x, Matrix gain, float eps, Pooled* outputs, uint32_t count) noexcept = 0;

  // Waits for everything enqueued. Null, or why the device failed; a failed device fails for ever.
  virtual const char* sync() noexcept = 0;

  // Memory of the ops, 64-byte aligned, not initialised. Null: there is not enough.
  virtual void* allocate(size_t bytes) noexcept = 0;
  virtual void release(void* memory) noexcept = 0;
  // Copies host memory, which must stay as it is until sync().
  virtual void upload(void* to, const void* from, size_t bytes) noexcept = 0;
  // Bytes that can still be allocated, or SIZE_MAX where nobody can tell.
  virtual size_t available_bytes() const noexcept = 0;
  // Bytes of one page: keys and values of kPageTokens tokens of one layer.
  virtual size_t page_bytes(const Heads& heads) const noexcept = 0;

  // How a weight stored as `stored` in the checkpoint will be kept.
  virtual WeightLayout weight_layout(WeightUse use, uint32_t rows, uint32_t cols,
                                     DType stored) const noexcept = 0;
  // Converts rows [first_row, first_row + rows) of a weight from row-major checkpoint bytes (little endian, any
  // alignment) into its layout. Rows come in order, from the first to the last. `from` may be reused on return.
  virtual void store_weight(Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                            const void* from, DType stored) noexcept = 0;
};

}  // namespace qwen3
