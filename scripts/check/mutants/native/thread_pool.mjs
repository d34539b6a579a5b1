export const file = 'native/cpu/thread_pool.cc';
export const suite = 'native_tests';

const once = 'thread pool: runs every task once';
const limits = 'thread pool: holds the limit';

export const mutants = [
  {
    name: 'two threads have the same number',
    text: 'const auto thread = static_cast<uint32_t>(workers_.size());',
    replacement: 'const auto thread = static_cast<uint32_t>(workers_.size()) / 2;',
    tests: 'thread pool: grows',
  },
  {
    name: 'threads stay that were started before one failed',
    text: '      end_workers(before);\n',
    replacement: '',
    tests: 'thread pool: starts all threads or none',
  },
  {
    name: 'the limit of a job is ignored',
    text: 'std::min(limit, job.tasks) - 1',
    replacement: 'job.tasks - 1',
    tests: limits,
  },
  {
    name: 'a late worker takes tasks of a job that it was not invited to',
    text: 'waiting >> 32 == number && ',
    replacement: '',
    tests: limits,
  },
  {
    name: 'callers do not take turns',
    text: `  const std::lock_guard lock(turn_);
  const size_t helpers`,
    replacement: '  const size_t helpers',
    tests: 'thread pool: callers take turns',
  },
  {
    name: 'a job ends before its tasks',
    text: `  for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;)
    wait_while(unfinished_, left);`,
    replacement: '',
    tests: 'thread pool: publishes',
  },
  {
    name: 'the last task is taken first',
    text: 'job_.tasks - static_cast<uint32_t>(waiting)',
    replacement: 'static_cast<uint32_t>(waiting) - 1',
    tests: once,
  },
  {
    name: 'a thread without work spins for good',
    text: 'Clock::now() < deadline',
    replacement: 'true',
    tests: 'thread pool: sleeps',
  },
];
