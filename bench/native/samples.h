// Timing on a machine that others use too: every sample records what share of the processor it had.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

namespace qwen3::bench {

constexpr double kSampleSeconds = 0.04;  // at least
constexpr double kCleanShare =
    0.97;  // of the threads' time; a sample with less was disturbed and does not count

struct Sample {
  double seconds;  // of one call
  double share;    // CPU time / wall time / threads
};

inline double process_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Calls function() until kSampleSeconds have passed, after one call to warm up, unless that one took as long by itself.
template <typename Function>
Sample measure(uint32_t threads, const Function& function) {
  using Clock = std::chrono::steady_clock;
  const auto sample = [&](double least) {
    const double cpu_start = process_seconds();
    const auto start = Clock::now();
    double seconds = 0;
    uint32_t calls = 0;
    do {
      function();
      ++calls;
      seconds = std::chrono::duration<double>(Clock::now() - start).count();
    } while (seconds < least);
    return Sample{seconds / calls, (process_seconds() - cpu_start) / seconds / threads};
  };
  const Sample first = sample(0);
  return first.seconds < kSampleSeconds ? sample(kSampleSeconds) : first;
}

// Rates of one case over all rounds.
struct Series {
  std::vector<double> clean;
  uint32_t samples = 0;

  void add(double work, const Sample& sample) {
    ++samples;
    if (sample.share > kCleanShare) clean.push_back(work / sample.seconds);
  }
  // 0: no clean sample.
  double at(double fraction) const {
    if (clean.empty()) return 0;
    std::vector<double> sorted = clean;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(fraction * (sorted.size() - 1) + 0.5)];
  }
  double median() const { return at(0.5); }
};

}  // namespace qwen3::bench
