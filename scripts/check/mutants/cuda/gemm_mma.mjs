export const file = 'cuda/gemm_mma.cu';
export const suite = 'emulator_tests';

const linear = 'cuda: linear ops read only their operands';
const large = 'cuda bf16: linear ops: large shapes';
const small = 'cuda int8, small plan: linear ops: large shapes';
const splitK = 'split-K tiles: linear_add';
const partials = 'cuda: tuned partials agree: bf16';
const oneGroupTooFew = {
  text: 'cp_async_wait<kStages - 2>();',
  replacement: 'cp_async_wait<kStages - 1>();',
};
const tooEarly = {
  text: `if (step + kStages - 1 < steps) {
    load_weight(step + kStages - 1);
    load_in(step + kStages - 1);`,
  replacement: `if (step + kStages < steps) {
    load_weight(step + kStages);
    load_in(step + kStages);`,
};

export const mutants = [
  {
    name: 'no barrier before a stage is read',
    text: '[] { sync_block(); }',
    replacement: '[] {}',
    tests: linear,
  },
  { name: 'a wait for one group too few, large plan', ...oneGroupTooFew, tests: large },
  { name: 'a wait for one group too few, small plan', ...oneGroupTooFew, tests: small },
  {
    name: 'a row past the end is loaded',
    text: 'row < rows && element < inner',
    replacement: 'row <= rows && element < inner',
    tests: linear,
  },
  {
    name: 'a load runs past the end of a row',
    text: 'min(inner - element, kChunkElements<T>)',
    replacement: 'kChunkElements<T>',
    tests: linear,
  },
  {
    name: 'a row past the end is stored',
    text: 'if (row >= x.rows) continue;',
    replacement: 'if (row > x.rows) continue;',
    tests: linear,
  },
  {
    name: 'a fragment is used twice',
    text: 'b[j / 2][j % 2 * 2 + 1]',
    replacement: 'b[j / 2][j % 2 * 2]',
    tests: linear,
  },
  {
    name: 'no swizzle',
    text: '(chunk ^ (row / 2 & 3))',
    replacement: 'chunk',
    tests: 'cuda: no bank conflicts',
  },
  {
    name: 'no warp barrier after a wait',
    text: '[] { sync_warp(); }',
    replacement: '[] {}',
    tests: linear,
  },
  { name: 'a stage loaded too early, large plan', ...tooEarly, tests: large },
  { name: 'a stage loaded too early, small plan', ...tooEarly, tests: small },
  {
    name: 'the sum of one warp is left out',
    text: 'w < kSlicedKWarps; ++w',
    replacement: 'w < kSlicedKWarps - 1; ++w',
    tests: linear,
  },
  {
    name: 'sums written where other warps still read',
    text: `  sync_block();
  using Sum`,
    replacement: '  using Sum',
    tests: linear,
  },
  {
    name: 'wgmma only for more than 16 rows',
    text: 'if (gpu.has_wgmma && plan == Plan::large',
    replacement: 'if (gpu.has_wgmma && x.rows > 16 && plan == Plan::large',
    tests: 'hopper bf16: linear ops: a row alone',
  },
  {
    name: 'rows loaded before the previous kernel has written them',
    text: `  wait_for_previous();
  for (uint32_t step = 0; step < kStages - 1; ++step) {
    if (step < steps) load_in(step);
    cp_async_commit();  // the first group holds the weights of all these steps
  }
`,
    replacement: `  for (uint32_t step = 0; step < kStages - 1; ++step) {
    if (step < steps) load_in(step);
    cp_async_commit();
  }
  wait_for_previous();
`,
    tests: 'cuda: hopper: short batches run as graphs',
  },
  {
    name: 'a step in two split-K partials',
    text: '(blockIdx.y + 1) / gridDim.y - first_step',
    replacement: '(blockIdx.y + 1) / gridDim.y - first_step + (blockIdx.y == 0)',
    tests: splitK,
  },
  {
    name: 'the last split-K partial is left out',
    text: 'split < count; ++split',
    replacement: 'split + 1 < count; ++split',
    tests: splitK,
  },
  {
    name: 'all split-K partials in one place',
    text: '(static_cast<size_t>(blockIdx.y) * x.rows + row)',
    replacement: 'static_cast<size_t>(row)',
    tests: splitK,
  },
  {
    name: 'split-K partials added before they are written',
    text: `wait_for_previous();
  const uint32_t row = blockIdx.y`,
    replacement: 'const uint32_t row = blockIdx.y',
    tests: 'split-K tiles: linear_swiglu',
  },
  {
    name: 'tuning can result in 0 splits',
    text: 'max(min(tuning.split_k_blocks / col_tiles, most), 1u)',
    replacement: 'min(tuning.split_k_blocks / col_tiles, most)',
    tests: partials,
  },
  {
    name: 'tuned split-K partials past their memory',
    text: 'kSplitKTileCols * tuning.split_k_blocks',
    replacement: 'kSplitKTileCols * 128',
    tests: partials,
  },
  {
    name: 'a tuned number of tiles is ignored',
    text: 'if (col_tiles >= tuning.split_k_tiles) return 1;',
    replacement: '',
    tests: partials,
  },
];
