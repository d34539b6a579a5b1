export const file = 'native/engine/scheduler.cc';
export const suite = 'native_tests';

const turns = 'next_batch: requests take turns';
const budget = 'next_batch: the smallest budget holds';
const ended = 'next_batch: cancelled and failed requests leave';
const limits = "next_batch: the model's limits hold";

export const mutants = [
  {
    name: 'texts of two models in one batch',
    text: 'a.loaded == b.loaded && ',
    replacement: '',
    tests: 'next_batch: models never mix',
  },
  {
    name: 'a call runs on the threads of another',
    text: ' && a.threads == b.threads',
    replacement: '',
    tests: 'next_batch: numbers of threads never mix',
  },
  {
    name: 'cancelled requests run',
    text: 'request->cancelled || request->error',
    replacement: 'request->error.has_value()',
    tests: ended,
  },
  {
    name: 'failed requests run',
    text: 'request->cancelled || request->error',
    replacement: 'request->cancelled',
    tests: ended,
  },
  {
    name: 'a batch may not be as large as the budget',
    text: 'larger.tokens > budget',
    replacement: 'larger.tokens >= budget',
    tests: turns,
  },
  {
    name: 'the budget of the last request holds',
    text: 'std::min(budget, request->max_batch_tokens)',
    replacement: 'request->max_batch_tokens',
    tests: budget,
  },
  {
    name: "a batch exceeds the model's limits",
    text: ' || !request->loaded->limits.holds(larger)',
    replacement: '',
    tests: limits,
  },
  {
    name: 'pages are rounded down',
    text: 'size.pages + page_count(length)',
    replacement: 'size.pages + length / kPageTokens',
    tests: limits,
  },
  {
    name: 'a request takes all turns',
    text: 'queue.push_back(request);',
    replacement: 'queue.push_front(request);',
    tests: turns,
  },
  {
    name: 'requests of other models lose their places',
    text: 'queue.insert(queue.begin(),',
    replacement: 'queue.insert(queue.end(),',
    tests: 'next_batch: other models come first next time',
  },
  {
    name: 'a short text overtakes one that does not fit',
    text: '        break;\n',
    replacement: '        { skipped.push_back(request); queue.pop_front(); continue; }\n',
    tests: 'next_batch: no request overtakes',
  },
];
