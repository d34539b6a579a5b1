export const file = 'native/tokenizer/words/long_word.cc';
export const suite = 'native_tests';

const any = 'long word: any window and number of ids';
const stops = 'long word: stops when the ids are known';

export const mutants = [
  {
    name: 'windows are joined without a border',
    text: 'if (!ids_.empty() && ',
    replacement: 'if (false && ',
    tests: any,
  },
  {
    name: 'windows do not become larger after a step back',
    text: '  encoded_ -= bytes;\n  window_ *= 2;',
    replacement: '  encoded_ -= bytes;',
    tests: any,
  },
  {
    name: 'the ids that are given back are encoded no more',
    text: '  encoded_ -= bytes;\n',
    replacement: '',
    tests: any,
  },
  {
    name: 'the whole word is read for a few ids',
    text: 'return !are_final();',
    replacement: 'return true;',
    tests: stops,
  },
  {
    name: 'the first ids are always final',
    text: '  const size_t longest = bpe_.longest();\n',
    replacement:
      '  return ids_.resize(max_ids_), true;\n  const size_t longest = bpe_.longest();\n',
    tests: any,
  },
  {
    name: 'one place less than a token has bytes is looked at',
    text: 'size_t end = encoded_ - longest + 1;',
    replacement: 'size_t end = encoded_ - longest + 2;',
    tests: any,
  },
  {
    name: 'only the place after the last id is looked at',
    text: 'size_t end = encoded_ - longest + 1;',
    replacement: 'size_t end = encoded_;',
    tests: any,
  },
  {
    name: 'it is asked once only whether the first ids are final',
    text: 'next_check_ = ids_.size() * 2;',
    replacement: 'next_check_ = SIZE_MAX;',
    tests: stops,
  },
];
