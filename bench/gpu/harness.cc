#include "harness.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>

#include "devices/cuda_library.h"
#include "models/model_family.h"

namespace qwen3::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kRandomValues = size_t{4} << 20;
// The padding of rows in the model: a multiple of 16 bytes in every dtype.
constexpr uint32_t kRowPadding = 64;
constexpr double kSampleSeconds = 0.01;
constexpr uint32_t kSamples = 7;
constexpr uint32_t kMostRuns = 2000;  // enqueued without a sync

const Clock::time_point start = Clock::now();

double seconds_since(Clock::time_point when) {
  return std::chrono::duration<double>(Clock::now() - when).count();
}

// The driver's profiler control. Missing if the library has loaded no driver, as on the emulated
// device.
class Profiler {
 public:
  bool exists() const { return start_ && stop_; }
  void start() const { call(start_); }
  void stop() const { call(stop_); }

 private:
  using Function = int (*)();

  static void call(Function function) {
    const int error = function ? function() : 0;
    if (error) {
      throw std::runtime_error("cannot start or stop the profiler: CUDA error " +
                               std::to_string(error));
    }
  }
  Function find(const char* name) const {
    return driver_ ? reinterpret_cast<Function>(dlsym(driver_, name)) : nullptr;
  }

  void* const driver_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  const Function start_ = find("cuProfilerStart"), stop_ = find("cuProfilerStop");
};

}  // namespace

std::unique_ptr<Backend> open(const Options& options, DType input) {
  std::unique_ptr<Backend> backend = open_cuda_backend(options.library, 0, input);
  print_line(R"({"kind":"device","name":"%s","dtype":"%s"})", backend->traits().instruction_set,
             dtype_name(input));
  return backend;
}

std::vector<NamedModel> models(const Options& options) {
  if (options.toy) {
    return {{"toy",
             {.hidden = 128,
              .intermediate = 192,
              .layers = 2,
              .query_heads = 2,
              .key_value_heads = 1,
              .head_dim = 128,
              .vocabulary = 64,
              .max_positions = 128,
              .norm_eps = 1e-6f,
              .rope_theta = 1e6}}};
  }
  std::vector<NamedModel> chosen_models;
  for (const NamedModel& model : {NamedModel{"8B", test::kQwen3Embedding8B},
                                  {"0.6B", test::kQwen3Embedding06B},
                                  {"4B", test::kQwen3Embedding4B}}) {
    if (options.once && model.name != std::string("8B")) continue;
    if (chosen(options.models, model.name)) chosen_models.push_back(model);
  }
  return chosen_models;
}

const char* dtype_name(DType input) {
  switch (input) {
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::f16: return "f16";
    case DType::s8: return "int8";
  }
  return "";
}

bool chosen(const std::vector<std::string>& words, const std::string& word) {
  return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
}

bool time_is_left(const Options& options) {
  static bool reported = false;
  if (seconds_since(start) < options.seconds) return true;
  if (!reported) print_line(R"({"kind":"stopped","seconds":%.0f})", options.seconds);
  reported = true;
  return false;
}

// --- Memory --------------------------------------------------------------------------------------

const std::vector<float>& random_floats() {
  static const std::vector<float> values = [] {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<float> values(kRandomValues);
    for (float& value : values) value = normal(engine);
    return values;
  }();
  return values;
}

std::vector<uint16_t> random_halves(float size) {
  std::vector<uint16_t> halves;
  halves.reserve(kRandomValues);
  for (const float value : random_floats()) {
    const float scaled = size * value;
    uint32_t bits;
    std::memcpy(&bits, &scaled, sizeof bits);
    halves.push_back(static_cast<uint16_t>(bits >> 16));  // truncated, not rounded
  }
  return halves;
}

void* Buffers::bytes(size_t count) {
  memory_.push_back(allocate(backend_, count, "a benchmark's matrices"));
  return memory_.back().get();
}

void Buffers::upload(void* to, const void* from, size_t bytes) {
  backend_.upload(to, from, bytes);
  sync(backend_);  // `from` may be a temporary
}

Matrix Buffers::matrix(uint32_t rows, uint32_t cols, DType dtype) {
  const uint32_t stride = cols + kRowPadding;
  return {bytes(size_t{rows} * stride * bytes_of(dtype)), rows, cols, stride, dtype};
}

Matrix Buffers::random_f32(uint32_t rows, uint32_t cols) {
  const Matrix x = matrix(rows, cols, DType::f32);
  const std::vector<float>& values = random_floats();
  const size_t count = size_t{rows} * x.stride;
  for (size_t done = 0; done < count; done += values.size()) {
    backend_.upload(static_cast<float*>(x.data) + done, values.data(),
                    std::min(values.size(), count - done) * sizeof(float));
  }
  sync(backend_);
  return x;
}

Matrix Buffers::normed(uint32_t rows, uint32_t cols) {
  Buffers temporary(backend_);
  const Matrix x = temporary.random_f32(rows, cols);
  const std::vector<float> ones(std::max(rows, cols), 1.0f);
  const Matrix gain = temporary.matrix(1, cols, DType::f32);
  backend_.store_weight(gain, WeightUse::gain, 0, 1, ones.data(), DType::f32);
  Matrix out = matrix(rows, cols, backend_.traits().normed);
  out.scales = array(std::vector<float>(rows, 1.0f));
  backend_.rms_norm(x, gain, 1e-6f, out);
  sync(backend_);
  return out;
}

Matrix Buffers::projected(uint32_t rows, uint32_t cols) {
  constexpr uint32_t kHidden = 256;
  Buffers temporary(backend_);
  const Matrix out = matrix(rows, cols, backend_.traits().output);
  backend_.linear(temporary.normed(rows, kHidden),
                  temporary.weight(WeightUse::linear, cols, kHidden), out);
  sync(backend_);
  return out;
}

Matrix Buffers::weight(WeightUse use, uint32_t rows, uint32_t cols) {
  const WeightLayout layout = backend_.weight_layout(use, rows, cols, DType::bf16);
  const Matrix weight{bytes(layout.bytes), rows, cols, cols, layout.dtype};
  static const std::vector<uint16_t> values = random_halves(0.02f);
  const auto piece_rows = static_cast<uint32_t>(values.size() / cols);
  for (uint32_t row = 0; row < rows; row += piece_rows) {
    backend_.store_weight(weight, use, row, std::min(piece_rows, rows - row), values.data(),
                          DType::bf16);
  }
  sync(backend_);
  return weight;
}

// --- Timing --------------------------------------------------------------------------------------

void sync(Backend& backend) {
  if (const char* failure = backend.sync())
    throw std::runtime_error(std::string("the device failed: ") + failure);
}

double seconds_per_run(const Options& options, Backend& backend, uint32_t least_runs,
                       const std::function<void(uint32_t run)>& enqueue) {
  const auto sample = [&](uint32_t runs) {
    const auto begin = Clock::now();
    for (uint32_t i = 0; i < runs; ++i) enqueue(i);
    sync(backend);
    return seconds_since(begin) / runs;
  };
  if (options.toy) return sample(2);
  sample(1);  // loads the kernel
  const double warm = sample(3);
  const auto runs = std::clamp(static_cast<uint32_t>(kSampleSeconds / warm) + 1, least_runs,
                               std::max(least_runs, kMostRuns));
  std::vector<double> samples;
  for (uint32_t i = 0; i < kSamples; ++i) samples.push_back(sample(runs));
  return median(samples);
}

void run_once(Backend& backend, const OnceCase& c, const std::function<void()>& enqueue) {
  static const Profiler profiler;
  static uint32_t number = 0;
  const std::string tokens = c.tokens > 0 ? R"(,"tokens":)" + std::to_string(c.tokens) : "";
  Buffers buffers(backend);
  const Matrix marker = buffers.matrix(1, 1, DType::f32);
  const float value = 0;
  sync(backend);
  print_line(R"({"kind":"once","case":%u,"section":"%s","model":"%s","op":"%s","dtype":"%s",)"
             R"("rows":%u%s,"profiled":%s})",
             ++number, c.section, c.model, c.op, dtype_name(c.dtype), c.rows, tokens.c_str(),
             profiler.exists() ? "true" : "false");
  profiler.start();
  backend.store_weight(marker, WeightUse::gain, 0, 1, &value, DType::f32);
  enqueue();
  sync(backend);
  profiler.stop();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void print_line(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace qwen3::bench
