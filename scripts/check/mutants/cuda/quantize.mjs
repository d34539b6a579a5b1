export const file = 'cuda/quantize.cu';
export const suite = 'emulator_tests';

const rows = 'cuda: int8: rows are as defined';
const large = 'cuda int8: linear ops: large shapes';

export const mutants = [
  {
    name: 'a stage of the rotation is missing',
    text: 'if (bits - shift == 2) butterflies<2>(row, cols, shift);',
    replacement: '',
    tests: rows,
  },
  {
    name: 'a butterfly without its difference',
    text: 'value[i + apart] = a - b;',
    replacement: 'value[i + apart] = a + b;',
    tests: rows,
  },
  {
    name: 'no factor 1 / order',
    text: '1 / static_cast<float>(1u << order_bits(weight.cols))',
    replacement: '1',
    tests: 'cuda: int8: sums are exact',
  },
  {
    name: 'the maximum of half the row',
    text: `for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) {
    const float size`,
    replacement: `for (uint32_t i = threadIdx.x; i < (cols + 1) / 2; i += kRowThreads) {
    const float size`,
    tests: rows,
  },
  {
    name: 'an infinite value is ignored',
    text: 'size < INFINITY ? size : INFINITY',
    replacement: 'size < INFINITY ? size : 0',
    tests: 'cuda int8: linear ops: NaN',
  },
  {
    name: 'rows rotated before all threads have loaded them',
    text: `cols, row, warps);
  sync_block();`,
    replacement: 'cols, row, warps);',
    tests: rows,
  },
  {
    name: 'rows written in place over rows that are not read yet',
    text: 'quantized->stride = in.stride * 2;',
    replacement: 'quantized->stride = in.stride;',
    tests: large,
  },
  {
    name: 'columns of the input not scaled',
    text: 'if (kScaling == ColumnScaling::input) value *= norms[i];',
    replacement: '',
    tests: large,
  },
  {
    name: 'columns of the weight not scaled',
    text: 'value = norms[i] > 0 ? value / norms[i] : 0;',
    replacement: 'value = value;',
    tests: large,
  },
  {
    name: 'integers truncated, not rounded',
    text: 'static_cast<int8_t>(round_to_int(row[slot(i)] * steps))',
    replacement: 'static_cast<int8_t>(row[slot(i)] * steps)',
    tests: rows,
  },
  {
    name: 'quantization does not wait for the previous kernel',
    text: '  wait_for_previous();\n',
    replacement: '',
    tests: 'cuda: hopper: short batches run as graphs',
  },
];
