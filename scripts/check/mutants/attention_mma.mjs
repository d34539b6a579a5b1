export const file = 'attention_mma.cu';

const manyTexts = 'cuda bf16: attention: many texts';
const attention = 'cuda bf16: attention: one text of any length';
const chosen = 'cuda: hopper: attention is chosen';

export const faults = [
  {
    name: 'own pages looked up at the wrong place',
    text: '(in_prefix ? page : page - prefix_pages) * kPageTokens',
    replacement: 'page * kPageTokens',
    tests: manyTexts,
  },
  {
    name: 'pages looked up in the wrong table',
    text: 'in_prefix ? span.prefix : span.own',
    replacement: 'span.own',
    tests: manyTexts,
  },
  {
    name: 'a row sees its successor',
    text: 'own_position + 1;',
    replacement: 'own_position + 2;',
    tests: attention,
  },
  {
    name: 'the last page is loaded whole',
    text: 'row < tokens ? 16 : 0',
    replacement: '16',
    tests: attention,
  },
  {
    name: 'the wrong head of keys and values',
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
    name: 'the highest score of half the lanes',
    text: 'new_max[half] = fmaxf(new_max[half], shuffle_xor(new_max[half], 2));',
    replacement: '',
    tests: attention,
  },
  {
    name: 'the total is not brought to a new highest score',
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
    name: 'wgmma for many rows only',
    text: 'gpu.has_wgmma && fits',
    replacement: 'if (gpu.has_wgmma && query.rows > 16 && fits',
    tests: chosen,
  },
  {
    name: 'wgmma for short batches',
    text: 'plan == Plan::large && gpu',
    replacement: 'card',
    tests: chosen,
  },
  {
    name: 'attention waits for nothing',
    text: '  wait_for_previous();\n',
    replacement: '',
    tests: 'cuda: hopper: short batches are replayed',
  },
];
