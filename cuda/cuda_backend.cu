// The Backend for NVIDIA GPUs. Ops are enqueued on one stream; the first failure is stored and
// reported by sync(). Kernels are in the other files of this folder, calls into CUDA in runtime.h.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "backend/cuda_interface.h"
#include "graph_cache.h"
#include "kernels.h"

namespace qwen3 {
namespace {

using cuda::Failure;

// Compute capabilities.
constexpr int kOldestMajor = 8;  // Ampere
// Code for 9.0 is built as sm_90a (cuda/CMakeLists.txt), so it has wgmma.
constexpr int kHopperCode = 90;
// Kernels compiled for this capability or newer wait for their predecessors (wait_for_previous).
constexpr int kOverlappingCode = 90;

// Room for recorded launches, in bytes. The largest model's small batch needs 100 KiB.
constexpr size_t kRecordedBytes = 256 << 10;
// The most that one op records.
constexpr size_t kOpBytes = 4 << 10;
constexpr uint32_t kBatchRows = 8192;
constexpr size_t kStagingBytes = 8 << 20;  // per half
constexpr uint32_t kPooledRows = 4096;
constexpr size_t kPooledFloats = size_t{1} << 22;

// QWEN3_EMBED_HOPPER=0 in the environment makes Hopper GPUs use the portable kernels.
bool hopper_is_off() {
  const char* word = std::getenv("QWEN3_EMBED_HOPPER");
  return word && std::strcmp(word, "0") == 0;
}

// Pinned double buffer for uploads: the device reads one half while the other is filled.
class Staging {
 public:
  Failure open() {
    for (Half& half : halves_) {
      if (const Failure failure = cuda::allocate_host(&half.memory, kStagingBytes)) return failure;
      if (const Failure failure = cuda::create_event(&half.done)) return failure;
      half.has_event = true;
    }
    return nullptr;
  }

  void close() {
    for (Half& half : halves_) {
      if (half.has_event) cuda::destroy_event(half.done);
      if (half.memory) cuda::release_host(half.memory);
    }
  }

  // Waits until the device has read the next half, then returns it.
  Failure next(void** memory) {
    current_ = 1 - current_;
    *memory = halves_[current_].memory;
    return halves_[current_].in_use ? cuda::wait_for(halves_[current_].done) : nullptr;
  }

  // Call after enqueuing the work that reads the half returned by `next`.
  Failure enqueued(cuda::Stream stream) {
    halves_[current_].in_use = true;
    return cuda::record(halves_[current_].done, stream);
  }

 private:
  struct Half {
    void* memory = nullptr;
    cuda::Event done{};
    bool has_event = false, in_use = false;
  };
  Half halves_[2];
  int current_ = 0;
};

// Pooled vectors: kernels write them to pinned memory, deliver() copies them to their destinations.
class PooledRows {
 public:
  Failure open() {
    if (const Failure failure =
            cuda::allocate_host(&rows_memory_, kPooledRows * sizeof(cuda::PooledRow))) {
      return failure;
    }
    return cuda::allocate_host(&floats_memory_, kPooledFloats * sizeof(float));
  }

  void close() {
    if (rows_memory_) cuda::release_host(rows_memory_);
    if (floats_memory_) cuda::release_host(floats_memory_);
  }

  bool has_room_for(const Pooled& output) const {
    return rows_used_ < kPooledRows && floats_used_ + output.dimensions <= kPooledFloats;
  }

  void add(Pooled* output) {
    rows()[rows_used_] = {output->row, output->dimensions, floats() + floats_used_, 0};
    outputs_[rows_used_] = output;
    ++rows_used_;
    floats_used_ += output->dimensions;
  }

  cuda::PooledRow* rows() const { return static_cast<cuda::PooledRow*>(rows_memory_); }
  uint32_t size() const { return rows_used_; }

  // Call after the device has finished or failed. After a failure all vectors count as not finite.
  void deliver(bool failed) {
    for (uint32_t i = 0; i < rows_used_; ++i) {
      Pooled& output = *outputs_[i];
      output.finite = !failed && rows()[i].finite;
      if (output.finite) {
        std::copy_n(rows()[i].out, output.dimensions, output.out);
      } else {
        std::fill_n(output.out, output.dimensions, 0.0f);
      }
    }
    rows_used_ = 0;
    floats_used_ = 0;
  }

 private:
  float* floats() const { return static_cast<float*>(floats_memory_); }

  void* rows_memory_ = nullptr;
  void* floats_memory_ = nullptr;
  Pooled* outputs_[kPooledRows];
  uint32_t rows_used_ = 0;
  size_t floats_used_ = 0;
};

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, DType input, const cuda::Tuning& tuning)
      : device_(device), input_(input) {
    gpu_.tuning = tuning;
  }

  ~CudaBackend() override {
    if (!has_stream_) return;
    cuda::use_device(device_);
    release_whole_weight();
    staging_.close();
    pooled_.close();  // waits for the device
    graphs_.close();
    if (gpu_.partials) cuda::release_device(gpu_.partials);
    if (gpu_.tickets) cuda::release_device(gpu_.tickets);
    if (has_done_) cuda::destroy_event(done_);
    cuda::destroy_stream(stream_);
  }

  Failure open() {
    int count = 0;
    if (const Failure failure = cuda::count_devices(&count)) return failure;
    if (device_ < 0 || device_ >= count) return "there is no CUDA device with that number";
    cuda::DeviceProperties properties;
    if (const Failure failure = cuda::describe_device(device_, &properties)) return failure;
    if (properties.major < kOldestMajor)
      return "the GPU is older than Ampere (compute capability 8.0)";

    if (const Failure failure = cuda::use_device(device_)) return failure;
    int compiled_for = 0;
    if (const Failure failure = cuda::check_device(&compiled_for)) return failure;
    overlaps_ = compiled_for >= kOverlappingCode;
    const bool is_hopper = properties.major == 9 && properties.minor == 0;
    gpu_.multiprocessors = static_cast<uint32_t>(properties.multiprocessors);
    gpu_.has_wgmma = is_hopper && compiled_for == kHopperCode && !hopper_is_off();
    // The suffix a means that Hopper's own kernels run: they exist for sm_90a only.
    std::snprintf(description_, sizeof description_, "%s, sm_%d%d%s", properties.name,
                  properties.major, properties.minor, gpu_.has_wgmma ? "a" : "");
    if (const Failure failure = cuda::create_stream(&stream_)) return failure;
    has_stream_ = true;
    if (!recorded_.open(kRecordedBytes)) return "there is not enough host memory";
    if (const Failure failure = cuda::create_event(&done_)) return failure;
    has_done_ = true;
    if (const Failure failure =
            cuda::allocate_device(&gpu_.partials, cuda::partials_bytes(gpu_.tuning))) {
      return failure;
    }
    if (const Failure failure = staging_.open()) return failure;
    if (const Failure failure = pooled_.open()) return failure;
    return gpu_.has_wgmma ? open_tickets() : nullptr;
  }

  Traits traits() const noexcept override {
    return {.name = "cuda",
            .instruction_set = description_,
            .threads = gpu_.multiprocessors,
            .normed = input_,
            .input = type16(),
            .output = type16(),
            .batch_rows = kBatchRows,
            .reserves = true};
  }

  void begin_batch(uint32_t tokens, bool invariant) noexcept override {
    launch_recorded();
    const bool small = !invariant && tokens <= gpu_.tuning.small_tokens;
    plan_ = small ? cuda::Plan::small : cuda::Plan::large;
  }

  void gather(const uint32_t* ids, Matrix table, Matrix out) noexcept override {
    compute([&](cuda::Stream stream) { return cuda::gather(stream, ids, table, out); });
  }

  void rms_norm(Matrix x, Matrix gain, float eps, Matrix out) noexcept override {
    compute(
        [&](cuda::Stream stream) { return cuda::rms_norm(stream, x, values_of(gain), eps, out); });
  }

  void linear(Matrix in, Matrix weight, Matrix out) noexcept override {
    enqueue_gemm(cuda::Epilogue::store, in, weight, out);
  }

  void linear_add(Matrix in, Matrix weight, Matrix x) noexcept override {
    if (weight.dtype == DType::s8)
      compute([&](cuda::Stream stream) { return cuda::quantize_input(stream, in, weight, &in); });
    enqueue_gemm(cuda::Epilogue::add, in, weight, x);
  }

  void linear_swiglu(Matrix in, Matrix gate_up, Matrix out) noexcept override {
    enqueue_gemm(cuda::Epilogue::swiglu, in, gate_up, out);
  }

  void norm_rope(Matrix query, Matrix gain, Heads heads, Spans spans) noexcept override {
    compute([&](cuda::Stream stream) {
      return cuda::norm_rope(stream, query, values_of(gain), heads, spans);
    });
  }

  void norm_rope_store(Matrix key_value, Matrix gain, Heads heads, Spans spans,
                       void* pages) noexcept override {
    compute([&](cuda::Stream stream) {
      return cuda::norm_rope_store(stream, key_value, values_of(gain), heads, spans, pages);
    });
  }

  void attention(Matrix query, Heads heads, Spans spans, const void* pages,
                 Matrix out) noexcept override {
    compute([&](cuda::Stream stream) {
      return cuda::attention(stream, plan_, gpu_, query, heads, spans, pages, out);
    });
  }

  void pool(Matrix x, Matrix gain, float eps, Pooled* outputs, uint32_t count) noexcept override {
    for (uint32_t done = 0; done < count;) {
      if (!pooled_.has_room_for(outputs[done])) finish();
      const uint32_t first = pooled_.size();
      for (; done < count && pooled_.has_room_for(outputs[done]); ++done)
        pooled_.add(&outputs[done]);
      compute([&](cuda::Stream stream) {
        return cuda::pool(stream, x, values_of(gain), eps, pooled_.rows() + first,
                          pooled_.size() - first);
      });
    }
  }

  const char* sync() noexcept override {
    if (whole_weight_) {
      enqueue([&]() -> Failure {
        release_whole_weight();  // waits for the kernels that read it
        return nullptr;
      });
    }
    finish();
    return failure_;
  }

  void* allocate(size_t bytes) noexcept override {
    void* memory = nullptr;
    return failure_ || cuda::use_device(device_) || cuda::allocate_device(&memory, bytes) ? nullptr
                                                                                          : memory;
  }

  void release(void* memory) noexcept override {
    if (!memory) return;
    cuda::use_device(device_);  // errors are ignored: a failed device frees what it can
    cuda::release_device(memory);
  }

  void upload(void* to, const void* from, size_t bytes) noexcept override {
    if (bytes == 0) return;
    enqueue([&] { return cuda::copy_to_device(to, from, bytes, stream_); });
  }

  size_t available_bytes() const noexcept override {
    size_t bytes = 0;
    return cuda::use_device(device_) || cuda::free_bytes(&bytes) ? 0 : bytes;
  }

  size_t page_bytes(const Heads& heads) const noexcept override {
    return size_t{2} * heads.key_value * kPageTokens * heads.dim * bytes_of(type16());
  }

  // 16-bit tables are stored as they are: gather converts any dtype to f32.
  WeightLayout weight_layout(WeightUse use, uint32_t rows, uint32_t cols,
                             DType stored) const noexcept override {
    if (use == WeightUse::gain) return {DType::f32, size_t{rows} * cols * sizeof(float)};
    if (use == WeightUse::table) {
      const DType dtype = stored == DType::f32 ? type16() : stored;
      return {dtype, size_t{rows} * cols * bytes_of(dtype)};
    }
    WeightLayout layout{input_,
                        size_t{rows} * cuda::weight_stride(cols, input_) * bytes_of(input_)};
    if (input_ != DType::s8) return layout;
    if (!cuda::fits_int8(cols)) return {input_, 0};
    layout.bytes += rows * sizeof(float);
    if (use == WeightUse::linear_add) {
      layout.bytes += cols * sizeof(float);
      layout.temporary = size_t{rows} * cols * bytes_of(stored);
    }
    return layout;
  }

  void store_weight(Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                    const void* from, DType stored) noexcept override {
    weights_pending_ = true;
    const bool column_scaled = weight.dtype == DType::s8 && use == WeightUse::linear_add;
    const size_t row_bytes = size_t{weight.cols} * bytes_of(stored);
    if (column_scaled && first_row == 0) reserve_whole_weight(weight.rows * row_bytes);
    const auto rows_at_once = static_cast<uint32_t>(kStagingBytes / row_bytes);
    for (uint32_t done = 0; done < rows;) {
      const uint32_t count = std::min(rows - done, rows_at_once);
      const uint32_t row = first_row + done;
      enqueue([&]() -> Failure {
        void* staged;
        if (const Failure failure = staging_.next(&staged)) return failure;
        std::memcpy(staged, static_cast<const char*>(from) + done * row_bytes, count * row_bytes);
        const Failure failure =
            column_scaled
                ? cuda::copy_to_device(static_cast<char*>(whole_weight_) + row * row_bytes, staged,
                                       count * row_bytes, stream_)
                : cuda::store_rows(stream_, weight, use, row, count, staged, stored);
        return failure ? failure : staging_.enqueued(stream_);
      });
      done += count;
    }
    if (column_scaled && first_row + rows == weight.rows) {
      enqueue([&] { return cuda::store_column_scaled(stream_, weight, whole_weight_, stored); });
    }
  }

 private:
  Failure open_tickets() {
    void* memory = nullptr;
    if (const Failure failure = cuda::allocate_device(&memory, sizeof(uint32_t))) return failure;
    gpu_.tickets = static_cast<uint32_t*>(memory);
    static constexpr uint32_t none = 0;
    return cuda::copy_to_device(gpu_.tickets, &none, sizeof none, stream_);
  }

  // The 16-bit format of queries, keys and values.
  DType type16() const { return input_ == DType::s8 ? DType::bf16 : input_; }

  // Device memory for all rows of a weight that is converted after its last row. Freed by sync().
  void reserve_whole_weight(size_t bytes) {
    if (bytes <= whole_weight_bytes_) return;
    enqueue([&] {
      release_whole_weight();
      return cuda::allocate_device(&whole_weight_, bytes);
    });
    whole_weight_bytes_ = whole_weight_ ? bytes : 0;
  }
  void release_whole_weight() {  // the device must be current
    if (whole_weight_) cuda::release_device(whole_weight_);
    whole_weight_ = nullptr;
    whole_weight_bytes_ = 0;
  }

  static const float* values_of(Matrix gain) { return static_cast<const float*>(gain.data); }

  // After the first failure nothing more is sent to the device.
  template <typename Op>
  void run_unless_failed(Op op) noexcept {
    if (failure_) return;
    failure_ = cuda::use_device(device_);
    if (!failure_) failure_ = op();
  }

  // Enqueues an op of a batch. Ops of the small plan are recorded until other work is enqueued, and
  // must not call into the device themselves.
  template <typename Op>
  void compute(Op op) noexcept {
    if (plan_ == cuda::Plan::large) return run_unless_failed([&] { return op(stream_); });
    if (!recorded_.has_room_for(kOpBytes)) launch_recorded();
    if (!failure_) failure_ = op(cuda::Stream{stream_.queue, &recorded_});
  }
  void launch_recorded() noexcept {
    if (recorded_.empty()) return;
    // Recorded kernels read weights before they wait for their predecessors, so weights must have
    // been stored.
    if (weights_pending_) run_unless_failed([&] { return wait(); });
    weights_pending_ = false;
    run_unless_failed([&] {
      return graphs_.launch({stream_.queue, nullptr, overlaps_}, recorded_);
    });
    recorded_.clear();
  }

  // Waits for everything enqueued so far.
  Failure wait() {
    const Failure failure = cuda::record(done_, stream_);
    return failure ? failure : cuda::wait_for(done_);
  }

  // Any other work, after the ops recorded so far.
  template <typename Op>
  void enqueue(Op op) noexcept {
    launch_recorded();
    run_unless_failed(op);
  }

  void enqueue_gemm(cuda::Epilogue epilogue, Matrix in, Matrix weight, Matrix out) noexcept {
    compute([&](cuda::Stream stream) {
      return cuda::gemm(stream, plan_, epilogue, gpu_, in, weight, out);
    });
  }

  void finish() noexcept {
    enqueue([&] { return wait(); });
    weights_pending_ = false;
    pooled_.deliver(failure_ != nullptr);
  }

  const int device_;
  const DType input_;
  char description_[320] = {};
  cuda::Gpu gpu_{};
  cuda::Stream stream_{};
  cuda::Event done_{};
  bool has_stream_ = false, has_done_ = false, overlaps_ = false;
  Staging staging_;
  PooledRows pooled_;
  void* whole_weight_ = nullptr;
  size_t whole_weight_bytes_ = 0;
  cuda::Plan plan_ = cuda::Plan::large;
  bool weights_pending_ = false;
  cuda::Launches recorded_;
  cuda::GraphCache graphs_;
  Failure failure_ = nullptr;
};

}  // namespace

extern "C" {

__attribute__((visibility("default"))) uint32_t qwen3_cuda_interface_version() {
  return kCudaInterfaceVersion;
}

__attribute__((visibility("default"))) Backend* qwen3_cuda_create(int32_t device, DType input,
                                                                  char* message,
                                                                  size_t message_bytes) {
  const auto refuse = [&](const char* why) -> Backend* {
    std::snprintf(message, message_bytes, "%s", why);
    return nullptr;
  };
  if (input == DType::f32) return refuse("the CUDA backend computes bf16, f16 and int8");
  cuda::Tuning tuning;
  const char* words = std::getenv("QWEN3_EMBED_CUDA_TUNING");
  if (words && !cuda::parse_tuning(words, &tuning, message, message_bytes)) return nullptr;
  auto* backend = new (std::nothrow) CudaBackend(device, input, tuning);
  if (!backend) return refuse("there is not enough host memory");
  if (const Failure failure = backend->open()) {
    delete backend;
    return refuse(failure);
  }
  return backend;
}

}  // extern "C"
}  // namespace qwen3
