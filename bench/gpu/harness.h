// What the sections of the benchmark share: options, shapes, memory, timing, and the lines that they print.
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
  double seconds = 300;       // no case begins later
  bool toy = false;           // every call, next to no work
  bool once = false;          // for a profiler, see main.cc
};

struct NamedModel {
  const char* name;
  ModelConfig config;
};

// The first card; CUDA_VISIBLE_DEVICES picks another. Prints a line with its name, which tells whose
// kernels run. Throws Error(device_unavailable).
std::unique_ptr<Backend> open(const Options& options, DType input);

// Each prints a line of JSON per case, the important cases first.
void time_linear(const Options& options);
void time_attention(const Options& options);
void time_rows(const Options& options);
void time_models(const Options& options);

// In the order of their importance; `toy` has one that is tiny.
std::vector<NamedModel> models(const Options& options);
// As their words in the options: "bf16", "f16", "int8".
const char* word_of(DType input);
bool chosen(const std::vector<std::string>& words, const std::string& word);
// False: the time is over; says once, as a line of JSON, that cases are left out.
bool time_is_left(const Options& options);

// --- Memory -----------------------------------------------------------------------------------------------------------

// Normally distributed around 0, of size 1, the same in every run.
const std::vector<float>& random_floats();
// As bf16, `size` times as large.
std::vector<uint16_t> random_halves(float size);

// Matrices of a backend, filled with random values where something reads them.
class Buffers {
 public:
  explicit Buffers(Backend& on) : on_(on) {}

  void* bytes(size_t count);
  template <typename T>
  T* array(const std::vector<T>& values) {
    void* memory = bytes(values.size() * sizeof(T));
    upload(memory, values.data(), values.size() * sizeof(T));
    return static_cast<T*>(memory);
  }
  Matrix matrix(uint32_t rows, uint32_t cols, DType dtype);
  Matrix random_f32(uint32_t rows, uint32_t cols);
  // What linear ops read, made as the model makes it: by the norm.
  Matrix normed(uint32_t rows, uint32_t cols);
  // What `linear` writes.
  Matrix projected(uint32_t rows, uint32_t cols);
  Matrix weight(WeightUse use, uint32_t rows, uint32_t cols);

 private:
  void upload(void* to, const void* from, size_t bytes);

  Backend& on_;
  std::vector<BackendMemory> memory_;
};

// --- Timing -----------------------------------------------------------------------------------------------------------

// Throws where the device has failed.
void sync(Backend& on);

// Median over samples of what one run takes when many are enqueued one after another, in seconds. `enqueue` is given
// the number of the run. A sample takes 10 ms at least and `least_runs` runs, so that what the runs take turns with all
// has its turn.
double seconds_per_run(const Options& options, Backend& on, uint32_t least_runs,
                       const std::function<void(uint32_t run)>& enqueue);

// Of a profiler's run; `tokens` of a text, 0 where rows are no texts.
struct OnceCase {
  const char *section, *model, *op;
  DType dtype;
  uint32_t rows, tokens = 0;
};

// Prints the case's line, which tells whether the driver's switch was found. Then, while profiling is
// on, launches store_kernel, which marks the case, and what `enqueue` launches.
void run_once(Backend& on, const OnceCase& c, const std::function<void()>& enqueue);

double median(std::vector<double> values);

// Prints a line at once: who is stopped by a time limit has told what it knows.
[[gnu::format(printf, 1, 2)]] void print_line(const char* format, ...);

}  // namespace qwen3::bench
