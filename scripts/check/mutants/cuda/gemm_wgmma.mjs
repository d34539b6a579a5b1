export const file = 'cuda/gemm_wgmma.cu';
export const suite = 'emulator_tests';

const hopper = 'cuda: hopper: tiles and schedules change no bit: bf16';
const wgmma = 'hopper bf16: linear ops: large shapes';
const sums = 'cuda: int8: sums are exact';
const costs = 'cuda: hopper: tiles are chosen by cost';

export const mutants = [
  {
    name: 'every round waits for the parity of the first round',
    text: 'mbarrier_wait(shared.full(state.stage), state.parity);',
    replacement: 'mbarrier_wait(shared.full(state.stage), 0);',
    tests: hopper,
  },
  {
    name: 'stages filled before they are empty',
    text: 'mbarrier_wait(shared.empty(state.stage), state.parity ^ 1);',
    replacement: 'mbarrier_wait(shared.empty(state.stage), 1);',
    tests: hopper,
  },
  {
    name: 'a stage released while wgmma reads it',
    text: 'wgmma_wait<1>();',
    replacement: 'wgmma_wait<2>();',
    tests: hopper,
  },
  {
    name: 'the last stage of a tile is never released',
    text: 'if (releases) mbarrier_arrive(shared.empty(previous));',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'mbarriers not visible to TMA',
    text: 'fence_mbarrier_init();',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'mbarriers used before they are initialized',
    text: `sync_block();
    if (threadIdx.x < kWarpgroupThreads)`,
    replacement: 'if (threadIdx.x < kWarpgroupThreads)',
    tests: hopper,
  },
  {
    name: 'only the bytes of one operand are expected',
    text: 'mbarrier_arrive_expecting(full, kStageBytes<Form>);',
    replacement: 'mbarrier_arrive_expecting(full, kInBytes);',
    tests: hopper,
  },
  {
    name: 'both warpgroups multiply the same rows',
    text: 'shared.in(state.stage) + share_row * kStepBytes',
    replacement: 'shared.in(state.stage)',
    tests: hopper,
  },
  {
    name: 'sums that do not start at 0',
    text: 'step + byte > 0',
    replacement: 'true',
    tests: wgmma,
  },
  {
    name: 'no fence before wgmma',
    text: 'wgmma_fence();',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'sums stored before wgmma has written them',
    text: '    wgmma_wait<0>();\n',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'the rows of warps 8 apart instead of 16',
    text: 'thread / 32 * 16 + thread',
    replacement: 'thread / 32 * 8 + thread',
    tests: wgmma,
  },
  {
    name: 'no proxy fence before a box is stored',
    text: '    fence_proxy_async();\n',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'a box stored before all threads have written it',
    text: `fence_proxy_async();
    sync_threads(barrier, kWarpgroupThreads);`,
    replacement: 'fence_proxy_async();',
    tests: hopper,
  },
  {
    name: 'a box written while TMA reads it',
    text: 'tma_wait_read<kBoxes - 1>();',
    replacement: 'tma_wait_read<kBoxes>();',
    tests: hopper,
  },
  {
    name: 'a box written by threads that did not wait until TMA has read it',
    text: 'sync_threads(barrier, kWarpgroupThreads);  // the previous',
    replacement: '// the previous',
    tests: hopper,
  },
  {
    name: 'a block ends before TMA has read its boxes',
    text: 'if (elected) tma_wait_read<0>();',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'a box not committed',
    text: '      tma_commit();\n',
    replacement: '',
    tests: hopper,
  },
  {
    name: 'boxes without the swizzle',
    text: ' ^ row % 8 * 16',
    replacement: '',
    tests: wgmma,
  },
  {
    name: 'both row blocks stored in the same place',
    text: '(row_block * kSums * 2 + box_col)',
    replacement: 'box_col',
    tests: hopper,
  },
  {
    name: 'a result stored instead of added',
    text: 'tma_add_2d(out_map',
    replacement: 'tma_store_2d(out_map',
    tests: wgmma,
  },
  {
    name: 'gated values stored in the columns of the sums',
    text: '/ 2 * kValuesOfPair',
    replacement: '',
    tests: wgmma,
  },
  {
    name: 'a row past the end has a scale',
    text: 'row < x.rows ? x.row_scale(row) : 0',
    replacement: 'x.row_scale(row)',
    tests: sums,
  },
  {
    name: 'a column past the end has a scale',
    text: 'own_scales && col < cols_left',
    replacement: 'own_scales',
    tests: sums,
  },
  {
    name: 'a warpgroup does not wait for its turn',
    text: 'kPingPong && tile >= gridDim.x',
    replacement: 'kPingPong && tile >= 2 * gridDim.x',
    tests: hopper,
  },
  {
    name: 'a turn is not passed on',
    text: 'tile + gridDim.x < all.count()',
    replacement: 'tile + 2 * gridDim.x < all.count()',
    tests: hopper,
  },
  {
    name: "the other warpgroup's stages are not skipped",
    text: "state.skip(all.steps);  // the other warpgroup's tile",
    replacement: '',
    tests: hopper,
  },
  {
    name: 'a stage counts as empty when one of two warpgroups has read it',
    text: 'mbarrier_init(shared.empty(stage), Form::kSharers * kWarpgroupWarps)',
    replacement: 'mbarrier_init(shared.empty(stage), kWarpgroupWarps)',
    tests: hopper,
  },
  {
    name: 'a tuned tile is ignored',
    text: 'form == TileForm::automatic ?',
    replacement: 'true ?',
    tests: hopper,
  },
  {
    name: 'a tuned step cost is ignored',
    text: 'steps * gpu.tuning.narrow_step',
    replacement: 'steps * 1.375',
    tests: costs,
  },
  {
    name: 'the tuning of int8 applied to bf16',
    text: 'sizeof(T) == 1 ? tuning.epilogue_int8 : 0',
    replacement: 'tuning.epilogue_int8',
    tests: costs,
  },
];
