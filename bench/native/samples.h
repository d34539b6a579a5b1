// Timing on a shared machine: every sample records its share of CPU time, and samples with a low
// share are dropped.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

namespace qwen3::bench {

constexpr double kSampleSeconds = 0.04;  // minimum duration
// A sample is clean if its share is larger. Other load disturbed the rest, which do not count.
constexpr double kCleanShare = 0.97;

struct Sample {
  double seconds;  // of one call
  double share;    // CPU time / wall time / threads
};

inline double process_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Calls function() once to warm up, then until kSampleSeconds have passed. If the first call took
// that long, it is the sample.
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

// Rates of one case over all rounds: work per second.
struct Series {
  std::vector<double> clean;
  uint32_t samples = 0;

  void add(double work, const Sample& sample) {
    ++samples;
    if (sample.share > kCleanShare) clean.push_back(work / sample.seconds);
  }
  // The quantile `fraction` of the clean samples. 0: no clean sample.
  double at(double fraction) const {
    if (clean.empty()) return 0;
    std::vector<double> sorted = clean;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(fraction * (sorted.size() - 1) + 0.5)];
  }
  double median() const { return at(0.5); }
};

}  // namespace qwen3::bench
