export const file = 'native/cpu/pack.cc';
export const suite = 'native_tests';

const stored = 'cpu scalar f32: store_weight: every dtype';
const gateUp = 'cpu scalar f32: store_weight: gate and up';
const padded = 'cpu scalar f32: store_weight: zeros';
const pairs = 'emulated cpu avx512bf16 bf16: store_weight: every dtype';

export const mutants = [
  {
    name: 'panels of an odd depth overlap',
    text: 'depth + depth % 2',
    replacement: 'depth',
    suite: 'avx512_emulation_tests',
    tests: pairs,
  },
  {
    name: 'no zero after the last of an odd number of depths',
    text: 'if (last == depth && padded_depth(format, depth) != depth) panel.put(depth, column, 0);',
    replacement: '',
    suite: 'avx512_emulation_tests',
    tests: pairs,
  },
  {
    name: 'the columns after the last row are not zeroed',
    text: 'end == strips.total ? (index + 1) * strips.strip : end',
    replacement: 'end',
    tests: padded,
  },
  {
    name: 'rows after the last one are read',
    text: 'std::min(strips.first + strips.rows, (index + 1) * strips.strip)',
    replacement: '(index + 1) * strips.strip',
    tests: padded,
  },
  {
    name: 'the first block of depths is stored again',
    text: 'Source::at(from, offset + k)',
    replacement: 'Source::at(from, offset + k - first)',
    tests: stored,
  },
  {
    name: 'up rows of every piece are stored from the first',
    text: 'std::max(rows.first, half) - half',
    replacement: '0',
    tests: gateUp,
  },
];
