export const file = 'cuda/attention_mma.cu';
export const suite = 'emulator_tests';

const manyTexts = 'cuda bf16: attention: many texts';
const attention = 'cuda bf16: attention: one text of any length';
const chosen = 'cuda: hopper: attention is chosen';

export const mutants = [
  {
    name: 'own pages looked up at the index that includes the prefix',
    text: '(in_prefix ? page : page - prefix_pages) * kPageTokens',
    replacement: 'page * kPageTokens',
    tests: manyTexts,
  },
  {
    name: "prefix pages looked up in the span's own block table",
    text: 'in_prefix ? span.prefix : span.own',
    replacement: 'span.own',
    tests: manyTexts,
  },
  {
    name: 'a row attends to the next token',
    text: 'own_position + 1;',
    replacement: 'own_position + 2;',
    tests: attention,
  },
  {
    name: 'the last page is loaded past its tokens',
    text: 'row < tokens ? 16 : 0',
    replacement: '16',
    tests: attention,
  },
  {
    name: 'the wrong key-value head',
    text: 'head / (heads.query / heads.key_value)',
    replacement: 'head % heads.key_value',
    tests: attention,
  },
  {
    name: 'no barrier before a page is replaced',
    text: '    sync_block();  // the stage',
    replacement: '    // the stage',
    tests: attention,
  },
  {
    name: 'the row maximum of half the lanes',
    text: 'new_max[half] = fmaxf(new_max[half], shuffle_xor(new_max[half], 2));',
    replacement: '',
    tests: attention,
  },
  {
    name: 'the row sum is not rescaled to a new maximum',
    text: 'row_sum[half] *= rescale;',
    replacement: '',
    tests: 'cuda bf16: attention: sharp scores',
  },
  {
    name: 'values not transposed',
    text: 'ldmatrix_x4_trans(value',
    replacement: 'ldmatrix_x4(value',
    tests: attention,
  },
  {
    name: 'wgmma only for more than 16 rows',
    text: 'gpu.has_wgmma && fits',
    replacement: 'gpu.has_wgmma && query.rows > 16 && fits',
    tests: chosen,
  },
  {
    name: 'wgmma for short batches',
    text: 'plan == Plan::large && gpu',
    replacement: 'gpu',
    tests: chosen,
  },
  {
    name: 'attention does not wait for the previous kernel',
    text: '  wait_for_previous();\n',
    replacement: '',
    tests: 'cuda: hopper: short batches run as graphs',
  },
];
