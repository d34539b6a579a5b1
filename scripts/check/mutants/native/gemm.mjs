export const file = 'native/cpu/kernels/gemm.h';
export const suite = 'native_tests';

const emulated = 'avx512_emulation_tests';
const ragged = 'cpu avx2 f32: linear ops: ragged shapes';
const alone = 'cpu avx2 f32: linear ops: a row alone';
const raggedPairs = 'emulated cpu avx512bf16 bf16: linear ops: ragged shapes';

export const mutants = [
  {
    name: 'sums begin with what the memory held',
    text: 'if (depths.first != 0) {',
    replacement: 'if (true) {',
    tests: ragged,
  },
  {
    name: 'the second block of depths replaces the first',
    text: 'if (depths.first != 0) {',
    replacement: 'if (depths.first > kDepthBlock) {',
    tests: 'cpu avx2 f32: linear ops: large shapes',
  },
  {
    name: 'a sum is split by the number of rows',
    text: 'depth - first < kDepthBlock ? depth - first : kDepthBlock;',
    replacement: `rows.count == 1 || depth - first < kDepthBlock ? depth - first : kDepthBlock;
      if (rows.count == 1 && first != 0) break;`,
    tests: alone,
  },
  {
    name: 'a panel of an odd depth begins too early',
    text: '(product.in.cols + F::kDepth - 1) / F::kDepth * F::kDepth',
    replacement: 'product.in.cols',
    suite: emulated,
    tests: raggedPairs,
  },
  {
    name: 'the value after an odd number of depths is read',
    text: 'V::broadcast_pair(*value)',
    replacement: 'broadcast(value)',
    suite: emulated,
    tests: raggedPairs,
  },
  {
    name: 'later keys of a step are not masked',
    text: 'V::broadcast_pair(0xffff)',
    replacement: 'V::broadcast_pair(0xffffffff)',
    suite: emulated,
    tests: 'emulated cpu avx512bf16 bf16: attention: one text',
  },
  {
    name: 'the last columns of SwiGLU reach into the gap',
    text: 'V::store(to, silu_times<V>(V::load(partial), V::load(partial + V::kLanes)), columns);',
    replacement: 'V::store(to, silu_times<V>(V::load(partial), V::load(partial + V::kLanes)));',
    tests: ragged,
  },
  {
    name: 'the second half of the last panel is written past the end',
    text: 'if (column >= out.cols) return;',
    replacement: '',
    tests: ragged,
  },
];
