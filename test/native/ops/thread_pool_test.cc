// The CPU backend's thread pool: runs every task once, for any number of callers.
#include "cpu/thread_pool.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>

#include "address_space.h"
#include "ops/op_tests.h"

namespace qwen3::test {
namespace {

constexpr uint32_t kMostThreads = 5;

// Runs tasks on up to `limit` threads and checks that each runs once, on a thread below the limit
// that runs no other task, and that every thread takes tasks in ascending order.
void expect_all_run(ThreadPool& pool, uint32_t tasks, uint32_t limit,
                    std::chrono::microseconds duration_of_task = {}) {
  std::vector<std::atomic<uint32_t>> ran(tasks);
  std::array<std::atomic<bool>, kMostThreads> busy{};
  std::array<std::atomic<uint32_t>, kMostThreads> next{};  // after the thread's last task
  std::atomic<bool> overlaps = false, descends = false;
  pool.run(tasks, limit, [&](uint32_t task, uint32_t thread) {
    overlaps = overlaps || thread >= limit || busy[thread].exchange(true);
    descends = descends || task < next[thread];
    next[thread] = task + 1;
    ++ran[task];
    if (duration_of_task.count() > 0) std::this_thread::sleep_for(duration_of_task);
    busy[thread] = false;
  });
  expect(!overlaps, "a thread number is too large, or two tasks ran at once with the same one");
  expect(!descends, "a thread has taken a task before its last one");
  for (const auto& count : ran)
    expect(count == 1, "a task ran " + std::to_string(count) + " times");
}

void runs_every_task_once() {
  for (const uint32_t threads : {1u, 2u, kMostThreads}) {
    ThreadPool pool;
    pool.reserve(threads);
    expect(pool.threads() == threads, "wrong number of threads");
    for (const uint32_t tasks : {0u, 1u, 2u, 3u, 7u, 1000u, 1u, 0u, 64u})
      expect_all_run(pool, tasks, threads);
  }
}

// The limit changes from job to job, so a worker that is late for a job with many threads meets one
// with few.
void holds_the_limit_of_each_job() {
  ThreadPool pool;
  pool.reserve(kMostThreads);
  for (uint32_t round = 0; round < 3000; ++round)
    expect_all_run(pool, 1 + round % 7, 1 + round * 2 % kMostThreads);
  // Tasks that last long enough for a worker that should not take one.
  for (uint32_t round = 0; round < 50; ++round) {
    expect_all_run(pool, kMostThreads, kMostThreads);
    expect_all_run(pool, kMostThreads, 2 + round % 3, std::chrono::milliseconds(1));
  }
}

void grows_while_it_is_used() {
  ThreadPool pool;
  auto user = std::async(std::launch::async, [&] {
    for (int round = 0; round < 2000; ++round) expect_all_run(pool, 20, kMostThreads);
  });
  for (uint32_t threads = 2; threads <= kMostThreads; ++threads) {
    pool.reserve(threads);
    expect_all_run(pool, 100, threads);
  }
  pool.reserve(2);
  user.get();
  expect(pool.threads() == kMostThreads, "the pool has shrunk");
  // As many tasks as threads, each of which waits until the last one has begun.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::atomic<uint32_t> begun = 0;
  std::array<std::atomic<uint32_t>, kMostThreads> ran{};
  pool.run(kMostThreads, kMostThreads, [&](uint32_t, uint32_t thread) {
    ++ran[thread];
    ++begun;
    while (begun < kMostThreads && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
  });
  expect(std::chrono::steady_clock::now() < deadline, "not all threads run tasks");
  for (const auto& count : ran) expect(count == 1, "two threads have the same number");
}

#ifdef QWEN3_LIMIT_ADDRESS_SPACE
// There is address space for a few more stacks only.
void starts_all_threads_or_none() {
  ThreadPool pool;
  pool.reserve(3);
  bool refused = false;
  try {
    const AddressSpaceLimit limit(rlim_t{100} << 20);
    pool.reserve(1000);
  } catch (const std::exception&) {
    refused = true;
  }
  if (!refused) return;  // an emulated system may ignore the limit
  expect(pool.threads() == 3, "some threads are left");
  expect_all_run(pool, 100, 3);
  pool.reserve(kMostThreads);
  expect_all_run(pool, 100, kMostThreads);
}
#endif

// Non-atomic writes of tasks are visible when run() returns, and to the tasks of the next run.
void publishes_results() {
  ThreadPool pool;
  pool.reserve(3);
  std::vector<uint32_t> values(100);
  for (uint32_t round = 0; round < 2000; ++round) {
    pool.run(100, 3,
             [&](uint32_t task, uint32_t) { values[99 - task] = values[99 - task] + task; });
  }
  for (uint32_t i = 0; i < 100; ++i)
    expect(values[99 - i] == 2000 * i, "a task's writes were lost");
  // The caller's own task ends first.
  bool done = false;
  std::atomic<bool> begun = false;
  pool.run(2, 2, [&](uint32_t, uint32_t thread) {
    if (thread == 0) {
      while (!begun) std::this_thread::yield();
      return;
    }
    begun = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    done = true;
  });
  expect(done, "a job has ended before its tasks");
}

void callers_take_turns() {
  ThreadPool pool;
  pool.reserve(3);
  std::vector<std::thread> callers;
  std::atomic<uint32_t> running = 0;
  std::atomic<bool> overlaps = false;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        pool.run(2, 1, [&](uint32_t, uint32_t) {
          overlaps = overlaps || running++ != 0;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
          --running;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  expect(!overlaps, "two jobs ran at once");

  std::atomic<uint32_t> total = 0;
  callers.clear();
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      uint32_t mine = 0;
      std::array<uint32_t, 3> by_thread{};
      for (int round = 0; round < 300; ++round) {
        pool.run(20, 3, [&](uint32_t, uint32_t thread) { ++by_thread[thread]; });
      }
      for (const uint32_t count : by_thread) mine += count;
      total += mine;
    });
  }
  for (std::thread& caller : callers) caller.join();
  expect(total == 4 * 300 * 20, "tasks were lost or run twice");
}

#ifdef __linux__
// Threads of this process that run or could run, the caller among them.
int runnable_threads() {
  int runnable = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string stat;
    std::getline(std::ifstream(task.path() / "stat"), stat);  // "id (name) state ..."
    const size_t name_end = stat.rfind(')');
    if (name_end != std::string::npos) runnable += stat[name_end + 2] == 'R';
  }
  return runnable;
}

void sleeps_without_work() {
  ThreadPool pool;
  pool.reserve(kMostThreads);
  for (int round = 0; round < 20; ++round) expect_all_run(pool, 100, kMostThreads);
  for (int round = 0; round < 2500; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (runnable_threads() == 1) return;
  }
  throw Failure("threads without work do not sleep");
}
#endif

void starts_and_stops() {
  for (int round = 0; round < 100; ++round) {
    ThreadPool pool;
    pool.reserve(4);
    if (round % 2) pool.run(3, 4, [](uint32_t, uint32_t) {});
  }
}

}  // namespace

void add_thread_pool_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"thread pool: runs every task once", runs_every_task_once},
                {"thread pool: holds the limit of each job", holds_the_limit_of_each_job},
                {"thread pool: grows while it is used", grows_while_it_is_used},
                {"thread pool: publishes the tasks' writes", publishes_results},
                {"thread pool: callers take turns", callers_take_turns},
                {"thread pool: starts and stops", starts_and_stops}});
#ifdef __linux__
  tests.push_back({"thread pool: sleeps without work", sleeps_without_work});
#endif
#ifdef QWEN3_LIMIT_ADDRESS_SPACE
  tests.push_back({"thread pool: starts all threads or none", starts_all_threads_or_none});
#endif
}

}  // namespace qwen3::test
