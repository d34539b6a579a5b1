export const file = 'native/engine/workspace.cc';

const available = 'cuda: a workspace uses the memory available at load';
const emulated = 'cuda bf16: forward: agrees with the reference';
const gqa = 'gqa2-bf16';

export const mutants = [
  {
    name: 'the table of spans has no room for those of pooled rows',
    text: 'size_t{2} * size.texts +',
    replacement: 'size_t{1} * size.texts +',
    suite: 'native_tests',
    tests: 'engine: tables fit their memory',
  },
  {
    name: 'the tables have no room for the last rows',
    text: 'size_t{size.pages} + size.tokens + size.texts',
    replacement: 'size_t{size.pages} + size.tokens',
    suite: 'native_tests',
    tests: 'engine: tables fit their memory',
  },
  {
    name: 'too few pages for many short texts',
    text: 'std::max(page_count(tokens), chunk_rows / kTokensPerText)',
    replacement: 'page_count(tokens)',
    suite: 'emulator_tests',
    tests: 'cuda: a batch has pages for short texts',
  },
  {
    name: 'the workspace is as large as the longest text, whether it fits or not',
    text: 'size_for(tokens, rows)) <= bytes)',
    replacement: 'size_for(tokens, rows)) > 0)',
    suite: 'emulator_tests',
    tests: available,
  },
  {
    name: 'a text that does not fit is not refused',
    text: 'if (reserves_ && !limits_.holds(size))',
    replacement: 'if (false)',
    suite: 'emulator_tests',
    tests: available,
  },
  {
    name: 'memory that could not be allocated counts as allocated',
    text: '    bytes = 0;\n',
    replacement: '',
    suite: 'native_tests',
    tests: 'engine: failures affect their own calls only',
  },
  {
    name: 'rows of the next chunk are in this one too',
    text: 'x.rows = std::min(chunk_rows_, size.tokens - row);',
    replacement: 'x.rows = std::min(chunk_rows_ + 1, size.tokens - row);',
    suite: 'native_tests',
    tests: 'scalar f32: forward: same bits in any chunks',
  },
  {
    name: 'the last chunk has rows past the last token',
    text: 'x.rows = std::min(chunk_rows_, size.tokens - row);',
    replacement: 'x.rows = chunk_rows_;',
    suite: 'emulator_tests',
    tests: emulated,
  },
  {
    name: 'all texts share pages',
    text: '    words += page_count(length);\n',
    replacement: '',
    suite: 'native_tests',
    tests: 'scalar f32: forward: same bits in any chunks',
  },
  {
    name: 'every chunk begins at position 0 of its text',
    text: 'host_spans_.push_back({first_row, rows, position, {}, own});',
    replacement: 'host_spans_.push_back({first_row, rows, 0, {}, own});',
    suite: 'native_tests',
    tests: 'scalar f32: forward: same bits in any chunks',
  },
  {
    name: 'the pooled row has the position after the last',
    text: 'length - 1, {}, own}',
    replacement: 'length, {}, own}',
    suite: 'embedder/vectors',
    tests: gqa,
  },
  {
    name: 'all inputs of linear ops have the same scales',
    text: '    scales += chunk_rows_;\n',
    replacement: '',
    suite: 'native_tests',
    tests: 'engine: inputs of linear ops have scales of their own',
  },
  {
    name: 'a workspace that must not allocate frees its memory',
    text: '  if (reserves_) return;\n',
    replacement: '',
    suite: 'emulator_tests',
    tests: available,
  },
  {
    name: 'the batch is not announced to the backend as invariant',
    text: 'begin_batch(size.tokens, invariant)',
    replacement: 'begin_batch(size.tokens, false)',
    suite: 'native_tests',
    tests: 'engine: one invariant call makes its batch invariant',
  },
];
