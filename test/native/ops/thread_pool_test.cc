// The CPU backend's thread pool: runs every task once, for any number of callers.
#include "cpu/thread_pool.h"

#include <array>

#include "ops/op_tests.h"

namespace qwen3::test {
namespace {

void runs_every_task_once() {
  for (const uint32_t threads : {1u, 2u, 5u}) {
    ThreadPool pool(threads);
    expect(pool.threads() == threads, "wrong number of threads");
    for (const uint32_t tasks : {0u, 1u, 2u, 3u, 7u, 1000u, 1u, 0u, 64u}) {
      std::vector<std::atomic<uint32_t>> ran(tasks);
      std::array<std::atomic<bool>, 5> busy{};
      std::atomic<bool> overlaps = false;
      pool.run(tasks, [&](uint32_t task, uint32_t thread) {
        overlaps = overlaps || thread >= threads || busy[thread].exchange(true);
        ++ran[task];
        busy[thread] = false;
      });
      expect(!overlaps, "a thread number is too large, or two tasks ran at once with the same one");
      for (const auto& count : ran)
        expect(count == 1, "a task ran " + std::to_string(count) + " times");
    }
  }
}

// Non-atomic writes of tasks are visible when run() returns, and to the tasks of the next run.
void publishes_results() {
  ThreadPool pool(3);
  std::vector<uint32_t> values(100);
  for (uint32_t round = 0; round < 2000; ++round) {
    pool.run(100, [&](uint32_t task, uint32_t) { values[99 - task] = values[99 - task] + task; });
  }
  for (uint32_t i = 0; i < 100; ++i)
    expect(values[99 - i] == 2000 * i, "a task's writes were lost");
}

void callers_take_turns() {
  ThreadPool pool(3);
  std::atomic<uint32_t> total = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      uint32_t mine = 0;
      std::array<uint32_t, 3> by_thread{};
      for (int round = 0; round < 300; ++round) {
        pool.run(20, [&](uint32_t, uint32_t thread) { ++by_thread[thread]; });
      }
      for (const uint32_t count : by_thread) mine += count;
      total += mine;
    });
  }
  for (std::thread& caller : callers) caller.join();
  expect(total == 4 * 300 * 20, "tasks were lost or run twice");
}

void starts_and_stops() {
  for (int round = 0; round < 100; ++round) {
    ThreadPool pool(4);
    if (round % 2) pool.run(3, [](uint32_t, uint32_t) {});
  }
}

}  // namespace

void add_thread_pool_tests(Tests& tests) {
  tests.insert(tests.end(), {{"thread pool: runs every task once", runs_every_task_once},
                             {"thread pool: publishes the tasks' writes", publishes_results},
                             {"thread pool: callers take turns", callers_take_turns},
                             {"thread pool: starts and stops", starts_and_stops}});
}

}  // namespace qwen3::test
