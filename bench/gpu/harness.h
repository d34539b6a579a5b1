// Shared by the sections of the benchmark: options, shapes, memory, timing, output.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "model/model.h"

namespace qwen3::bench {

struct Options {
  std::vector<std::string> sections{"linear", "model", "attention", "rows"};
  std::vector<std::string> models, dtypes;  // empty: all
  std::vector<uint32_t> rows;               // of linear; empty: from 1 to 8,192
  std::string library = "build/Release/libqwen3_embed_cuda.so";
  std::string scratch = ".";  // folder for a file as large as the largest tensor
  double seconds = 300;       // time limit: no case begins later
  bool toy = false;           // every call, at tiny sizes
  bool once = false;          // for a profiler, see main.cc
};

struct NamedModel {
  const char* name;
  ModelConfig config;
};

// Opens the first GPU; CUDA_VISIBLE_DEVICES selects another. Prints a line with its name, which
// contains the architecture of the kernels that run. Throws Error(device_unavailable).
std::unique_ptr<Backend> open(const Options& options, DType input);

// Each prints one line of JSON per case, the important cases first.
void time_linear(const Options& options);
void time_attention(const Options& options);
void time_rows(const Options& options);
void time_models(const Options& options);

// The chosen models, the most important first; with `toy` one tiny model.
std::vector<NamedModel> models(const Options& options);
// The name of a dtype in the options and the output: "bf16", "f16", "int8".
const char* dtype_name(DType input);
// Whether `words` is empty or contains `word`.
bool chosen(const std::vector<std::string>& words, const std::string& word);
// Returns false after the time limit. The first time it then prints a line with "kind":"stopped".
bool time_is_left(const Options& options);

// --- Memory --------------------------------------------------------------------------------------

// Values of a normal distribution with mean 0 and deviation 1, the same in every run.
const std::vector<float>& random_floats();
// The same values times `size`, as bf16.
std::vector<uint16_t> random_halves(float size);

// Owns memory of a backend. Creates matrices in it, with random values if they are inputs.
class Buffers {
 public:
  explicit Buffers(Backend& backend) : backend_(backend) {}

  void* bytes(size_t count);
  template <typename T>
  T* array(const std::vector<T>& values) {
    void* memory = bytes(values.size() * sizeof(T));
    upload(memory, values.data(), values.size() * sizeof(T));
    return static_cast<T*>(memory);
  }
  Matrix matrix(uint32_t rows, uint32_t cols, DType dtype);
  Matrix random_f32(uint32_t rows, uint32_t cols);
  // An input of linear ops, computed by rms_norm as in the model.
  Matrix normed(uint32_t rows, uint32_t cols);
  // An output of `linear`.
  Matrix projected(uint32_t rows, uint32_t cols);
  Matrix weight(WeightUse use, uint32_t rows, uint32_t cols);

 private:
  void upload(void* to, const void* from, size_t bytes);

  Backend& backend_;
  std::vector<BackendMemory> memory_;
};

// --- Timing --------------------------------------------------------------------------------------

// Throws if the device has failed.
void sync(Backend& backend);

// Returns the median over samples of the seconds per run, if runs are enqueued one after another. A
// sample has at least 10 ms and `least_runs` runs, so that runs can take turns with that many
// weights. `enqueue` is called with the number of the run in its sample.
double seconds_per_run(const Options& options, Backend& backend, uint32_t least_runs,
                       const std::function<void(uint32_t run)>& enqueue);

// A case of --once. `tokens` is the length of a text, 0 if rows are not texts.
struct OnceCase {
  const char *section, *model, *op;
  DType dtype;
  uint32_t rows, tokens = 0;
};

// Prints the case's line, which states whether the driver's profiler control was found. Then, with
// profiling on, launches store_kernel, which marks the start of the case, and what `enqueue`
// launches.
void run_once(Backend& backend, const OnceCase& c, const std::function<void()>& enqueue);

double median(std::vector<double> values);

// Prints a line and flushes it, so that a run that is killed at a time limit has printed its
// results.
[[gnu::format(printf, 1, 2)]] void print_line(const char* format, ...);

}  // namespace qwen3::bench
