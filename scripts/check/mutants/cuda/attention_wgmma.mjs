export const file = 'cuda/attention_wgmma.cu';
export const suite = 'emulator_tests';

const hopperAttention = 'hopper bf16: attention: one text of any length';
const hopperTexts = 'hopper bf16: attention: many texts';
const schedules = 'cuda: hopper: attention is the same in any schedule';

export const mutants = [
  {
    name: 'a row attends to the next token',
    text: ': token + 1;',
    replacement: ': token + 2;',
    tests: hopperAttention,
  },
  {
    name: 'steps not masked that are not visible to all rows',
    text: 'prefix_tokens : steps.own_first + 1;',
    replacement: 'prefix_tokens : steps.own_last + 1;',
    tests: hopperAttention,
  },
  {
    name: 'rows masked as if each were one token, without the head group',
    text: 'steps.own_first + (own_row + half * 8) / a.group();',
    replacement: 'steps.own_first + own_row + half * 8;',
    tests: hopperAttention,
  },
  {
    name: 'the wrong key-value head',
    text: 'static_cast<Part>(part), work.kv_head)',
    replacement: 'static_cast<Part>(part), 0)',
    tests: hopperTexts,
  },
  {
    name: "prefix pages looked up in the span's own block table",
    text: 'in_prefix ? span.prefix : span.own',
    replacement: 'span.own',
    tests: hopperTexts,
  },
  {
    name: 'the last page of a run is loaded by TMA',
    text: 'const bool has_cut = cut < kStepPages && ',
    replacement: 'const bool has_cut = false && ',
    tests: hopperAttention,
  },
  {
    name: 'a row past the last token is copied',
    text: 'row < tokens ? 16 : 0',
    replacement: 'row <= tokens ? 16 : 0',
    tests: hopperAttention,
  },
  {
    name: 'an unrelated page loaded in place of zeros',
    text: 'kNoRow = 0 - kPageTokens;',
    replacement: 'kNoRow = 0;',
    tests: hopperTexts,
  },
  {
    name: 'no proxy fence after pages are copied',
    text: `          fence_proxy_async();
          sync_warp();`,
    replacement: '          sync_warp();',
    tests: schedules,
  },
  {
    name: 'no proxy fence after queries are copied',
    text: `    fence_proxy_async();
    sync_threads(`,
    replacement: '    sync_threads(',
    tests: schedules,
  },
  {
    name: 'queries read before all of them are copied',
    text: '    sync_threads(kQueryBarrier + static_cast<int>(warpgroup), kWarpgroupThreads);\n',
    replacement: '',
    tests: schedules,
  },
  {
    name: 'a row past the end is stored',
    text: 'if (row >= work.tile.rows * a.group()) continue;',
    replacement: '',
    tests: hopperAttention,
  },
  {
    name: 'both warpgroups load the same queries',
    text: 'tile_row = warpgroup * kConsumerRows + row',
    replacement: 'tile_row = row',
    tests: hopperAttention,
  },
  {
    name: 'values of the wrong step',
    text: 'start_of(Part::value, previous)',
    replacement: 'start_of(Part::value, state)',
    tests: hopperAttention,
  },
  {
    name: 'keys released while wgmma reads them',
    text: `      wgmma_wait<1>();
      release(Part::key, state);`,
    replacement: `      release(Part::key, state);
      wgmma_wait<1>();`,
    tests: schedules,
  },
  {
    name: 'values released while wgmma reads them',
    text: `      wgmma_wait<0>();
      release(Part::value, previous);`,
    replacement: `      release(Part::value, previous);
      wgmma_wait<0>();`,
    tests: schedules,
  },
  {
    name: 'the last stage of a tile is never released',
    text: '    release(Part::value, state);\n',
    replacement: '',
    tests: schedules,
  },
  {
    name: 'scores read before wgmma has written them',
    text: 'wgmma_wait<1>();',
    replacement: 'wgmma_wait<2>();',
    tests: hopperAttention,
  },
  {
    name: 'probabilities packed while wgmma reads the previous ones',
    text: '      online_softmax(softmax, score, a.scale, rescale);\n',
    replacement: `      online_softmax(softmax, score, a.scale, rescale);
      pack_scores<T>(probability, score);
`,
    tests: hopperAttention,
  },
  {
    name: 'sums not rescaled to a new maximum',
    text: 'sum[i] *= rescale[i / 2 % 2];',
    replacement: 'sum[i] *= 1;',
    tests: 'hopper bf16: attention: sharp scores',
  },
  {
    name: 'the row sum is not rescaled to a new maximum',
    text: 'softmax.row_sum[half] *= rescale[half];',
    replacement: '',
    tests: hopperAttention,
  },
  {
    name: 'half the stride between panels of values',
    text: 'kSwizzledRowBytes, kStepTokens * kSwizzledRowBytes)',
    replacement: 'kSwizzledRowBytes, kPageTokens * kSwizzledRowBytes)',
    tests: hopperAttention,
  },
  {
    name: 'no fence before wgmma',
    text: '    wgmma_fence();\n',
    replacement: '',
    tests: schedules,
  },
  {
    name: 'no warpgroup starts the first turn',
    text: 'if (warpgroup == 1) end_turn();',
    replacement: '',
    tests: schedules,
  },
  {
    name: 'the ticket counter is not reset',
    text: 'atomic_add(a.tickets, 0 - (ticket + 1));',
    replacement: '',
    tests: hopperTexts,
  },
  {
    name: 'a tile is skipped',
    text: 'tiles - 1 - ticket % tiles',
    replacement: '(tiles - 1 - ticket % tiles) / 2 * 2',
    tests: hopperTexts,
  },
  {
    name: 'a tile replaced before all consumers have read it',
    text: 'mbarrier_init(shared_address(&shared->work_empty), kStages + kConsumers);',
    replacement: 'mbarrier_init(shared_address(&shared->work_empty), kStages);',
    tests: schedules,
  },
];
