export const file = 'native/engine/text_worker.cc';
export const suite = 'native_tests';

const turns = 'text worker: tasks take turns';
const cancelled = 'text worker: cancelled tasks do not finish';
const failures = 'text worker: failures go to their task';
const files = 'text worker: tokenizer files are read';
const lengths = 'text worker: lengths are limited';

export const mutants = [
  {
    name: 'a task has all turns',
    text: ' && Clock::now() < end) more',
    replacement: ') more',
    tests: turns,
  },
  {
    name: 'a task that has had its turn is next again',
    text: 'queue_.push_back(task);',
    replacement: 'queue_.push_front(task);',
    tests: turns,
  },
  {
    name: 'a turn has no time',
    text: 'std::chrono::milliseconds(1);',
    replacement: 'std::chrono::milliseconds(0);',
    tests: turns,
  },
  {
    name: 'a cancelled task begins',
    text: 'while (more && !task->cancelled && Clock::now() < end)',
    replacement: 'while (more && Clock::now() < end)',
    tests: cancelled,
  },
  {
    name: 'a cancelled task finishes',
    text: 'if (!more && !task->cancelled) task->finish',
    replacement: 'if (!more) task->finish',
    tests: cancelled,
  },
  {
    name: 'a failed task continues',
    text: '      more = false;\n',
    replacement: '',
    tests: failures,
  },
  {
    name: 'a failure gets lost',
    text: 'failure = std::current_exception();',
    replacement: '',
    tests: failures,
  },
  {
    name: 'an error has no path',
    text: 'throw Error(error.code, path_ + ": " + error.what());',
    replacement: 'throw;',
    tests: files,
  },
  {
    name: 'files of any size are read',
    text: 'if (file.size() > kMaxFileBytes)',
    replacement: 'if (false)',
    tests: files,
  },
  {
    name: 'a text that is too long has as many ids as are allowed',
    text: 'options_.truncate ? 0 : 1',
    replacement: '0',
    tests: lengths,
  },
  {
    name: 'the template does not count',
    text: 'limit > around ? limit - around : 0',
    replacement: 'limit',
    tests: lengths,
  },
  {
    name: 'a template longer than the limit leaves room without end',
    text: 'limit > around ? limit - around : 0',
    replacement: 'limit - around',
    tests: lengths,
  },
  {
    name: 'a refused token is skipped',
    text: 'if (refused) return false;',
    replacement: '',
    tests: 'text worker: a refused token ends the conversion',
  },
  {
    name: 'ids of the template are missing',
    text: '{&before, &current_->ids(), &after}',
    replacement: '{&current_->ids(), &after}',
    tests: 'text worker: texts get the ids of the template',
  },
];
