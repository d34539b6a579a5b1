// npm run check:mutants: plants one fault at a time in a copy of the CUDA code and runs the tests on the emulated
// device, which must turn red. Takes about an hour; words after it choose among the faults.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const linear = 'cuda: linear ops read what is there';
const attention = 'cuda bf16: attention: one text of any length';
const manyTexts = 'cuda bf16: attention: many texts';
const banks = 'cuda: no bank conflicts';
const sums = 'cuda: int8: sums are exact';
const rows = 'cuda: int8: rows are as defined';
const wide = 'wide weights: linear_add';
const graphs = 'cuda: graphs are bounded and in order';
const replayed = 'cuda: short batches are replayed';
const overlap = 'cuda: hopper: short batches are replayed';
const keeps = 'cuda: keeps no more launches than fit';
const hopper = 'cuda: hopper: tiles and schedules change no bit: bf16';
const wgmma = 'hopper bf16: linear ops: large shapes';
const schedules = 'cuda: hopper: attention is the same in any schedule';
const hopperAttention = 'hopper bf16: attention: one text of any length';
const hopperTexts = 'hopper bf16: attention: many texts';
const hopperSharp = 'hopper bf16: attention: sharp scores';
const named = 'cuda: tells which kernels run';
const tuning = 'cuda: tuning is read';
const costs = 'cuda: hopper: tiles are chosen by cost';
const parts = 'cuda: tuned parts agree: bf16';

/** What is wrong, the file, the text that is replaced (its first occurrence), by what, and the tests that should see it. */
const faults = [
  [
    'no barrier before a stage is read',
    'gemm_mma.cu',
    'cp_async_wait<kStages - 2>();\n    sync_block();',
    'cp_async_wait<kStages - 2>();',
    linear,
  ],
  [
    'a wait for one group too few',
    'gemm_mma.cu',
    'cp_async_wait<kStages - 2>();\n    sync_block();',
    'cp_async_wait<kStages - 1>();\n    sync_block();',
    linear,
  ],
  [
    'a row past the end is loaded',
    'gemm_mma.cu',
    'row < rows && element < inner',
    'row <= rows && element < inner',
    linear,
  ],
  [
    'the end of a row is overrun',
    'gemm_mma.cu',
    'min(inner - element, kChunkElements<T>)',
    'kChunkElements<T>',
    linear,
  ],
  [
    'a row past the end is stored',
    'gemm_mma.cu',
    'if (row >= x.rows) continue;',
    'if (row > x.rows) continue;',
    linear,
  ],
  ['a fragment is used twice', 'gemm_mma.cu', 'b[j / 2][j % 2 * 2 + 1]', 'b[j / 2][j % 2 * 2]', linear],
  ['no swizzle', 'gemm_mma.cu', '(chunk ^ (row / 2 & 3))', 'chunk', banks],
  [
    'gate and up exchanged',
    'gemm.cuh',
    'gate * reciprocal_approx(1 + exp2_approx(-kLog2E * gate)) * up',
    'up * reciprocal_approx(1 + exp2_approx(-kLog2E * up)) * gate',
    'linear_swiglu: any gate',
  ],
  [
    'a scale forgotten',
    'gemm.cuh',
    'in_scales ? in_scales[row] : 1',
    'in_scales ? 1 : static_cast<float>(row)',
    'f16: gated values',
  ],
  [
    'no warp barrier after a wait',
    'gemm_mma.cu',
    'cp_async_wait<kStages - 2>();\n    sync_warp();',
    'cp_async_wait<kStages - 2>();',
    linear,
  ],
  [
    'a stage loaded too early',
    'gemm_mma.cu',
    'if (turn + kStages - 1 < mine) {\n      load_weight(turn + kStages - 1);\n      load_in(turn + kStages - 1);',
    'if (turn + kStages < mine) {\n      load_weight(turn + kStages);\n      load_in(turn + kStages);',
    linear,
  ],
  ["one warp's sum left out", 'gemm_mma.cu', 'w < kSmallWarps; ++w', 'w < kSmallWarps - 1; ++w', linear],
  ['sums where others still read', 'gemm_mma.cu', '  sync_block();\n  using Sum', '  using Sum', linear],
  [
    'own pages looked up at the wrong place',
    'attention_mma.cu',
    '(in_prefix ? page : page - prefix_pages) * kPageTokens',
    'page * kPageTokens',
    manyTexts,
  ],
  [
    'pages looked up in the wrong table',
    'attention_mma.cu',
    'in_prefix ? span.prefix : span.own',
    'span.own',
    manyTexts,
  ],
  ['a row sees its successor', 'attention_mma.cu', 'own_position + 1;', 'own_position + 2;', attention],
  ['the last page is loaded whole', 'attention_mma.cu', 'row < tokens ? 16 : 0', '16', attention],
  [
    'the wrong head of keys and values',
    'attention_mma.cu',
    'head / (heads.query / heads.key_value)',
    'head % heads.key_value',
    attention,
  ],
  [
    'no barrier before a page is replaced',
    'attention_mma.cu',
    '    sync_block();  // the stage',
    '    // the stage',
    attention,
  ],
  [
    'the highest score of half the lanes',
    'attention_mma.cu',
    'top[half] = fmaxf(top[half], shuffle_xor(top[half], 2));',
    '',
    attention,
  ],
  [
    'the total is not brought to a new highest score',
    'attention_mma.cu',
    'total[half] *= shrink;',
    '',
    'cuda bf16: attention: sharp scores',
  ],
  ['values not transposed', 'attention_mma.cu', 'ldmatrix_x4_trans(value', 'ldmatrix_x4(value', attention],
  ['tiles of spans overlap', 'attention.cuh', 'first_row / tile_rows + s;', 'first_row / tile_rows;', manyTexts],
  ['a row sees its successor', 'attention_wgmma.cu', ': token + 1;', ': token + 2;', hopperAttention],
  [
    'steps taken for visible to all rows that are not',
    'attention_wgmma.cu',
    'prefix_tokens : walk.own_first + 1;',
    'prefix_tokens : walk.own_last + 1;',
    hopperAttention,
  ],
  [
    'rows masked as if each were a token',
    'attention_wgmma.cu',
    'walk.own_first + (own_row + half * 8) / a.group();',
    'walk.own_first + own_row + half * 8;',
    hopperAttention,
  ],
  [
    'the wrong head of keys and values',
    'attention_wgmma.cu',
    'static_cast<Part>(part), task.kv_head)',
    'static_cast<Part>(part), 0)',
    hopperTexts,
  ],
  [
    'pages looked up in the wrong table',
    'attention_wgmma.cu',
    'in_prefix ? span.prefix : span.own',
    'span.own',
    hopperTexts,
  ],
  [
    'the last page of a run comes by TMA',
    'attention_wgmma.cu',
    'const bool has_cut = cut < kStepPages && ',
    'const bool has_cut = false && ',
    hopperAttention,
  ],
  [
    'a row past the last token is copied',
    'attention_wgmma.cu',
    'row < tokens ? 16 : 0',
    'row <= tokens ? 16 : 0',
    hopperAttention,
  ],
  ['a page of nobody in place of zeros', 'attention_wgmma.cu', 'kNoRow = 0 - kPageTokens;', 'kNoRow = 0;', hopperTexts],
  [
    'copied pages that wgmma may not read',
    'attention_wgmma.cu',
    '          fence_proxy_async();\n          sync_warp();',
    '          sync_warp();',
    schedules,
  ],
  [
    'queries that wgmma may not read',
    'attention_wgmma.cu',
    '    fence_proxy_async();\n    sync_threads(',
    '    sync_threads(',
    schedules,
  ],
  [
    'queries read before all of them have come',
    'attention_wgmma.cu',
    '    sync_threads(kQueryBarrier + static_cast<int>(warpgroup), kWarpgroupThreads);\n',
    '',
    schedules,
  ],
  [
    'a row past the end is stored',
    'attention_wgmma.cu',
    'if (row >= task.tile.rows * a.group()) continue;',
    '',
    hopperAttention,
  ],
  [
    'queries of both warpgroups the same',
    'attention_wgmma.cu',
    'tile_row = warpgroup * kAttendantRows + row',
    'tile_row = row',
    hopperAttention,
  ],
  [
    'values of the step that is just multiplied with keys',
    'attention_wgmma.cu',
    'start_of(Part::value, previous)',
    'start_of(Part::value, turn)',
    hopperAttention,
  ],
  [
    'keys released while wgmma reads them',
    'attention_wgmma.cu',
    '      wgmma_wait<1>();\n      release(Part::key, turn);',
    '      release(Part::key, turn);\n      wgmma_wait<1>();',
    schedules,
  ],
  [
    'values released while wgmma reads them',
    'attention_wgmma.cu',
    '      wgmma_wait<0>();\n      release(Part::value, previous);',
    '      release(Part::value, previous);\n      wgmma_wait<0>();',
    schedules,
  ],
  ['the last stage of a tile never released', 'attention_wgmma.cu', '    release(Part::value, turn);\n', '', schedules],
  ['scores read before they are there', 'attention_wgmma.cu', 'wgmma_wait<1>();', 'wgmma_wait<2>();', hopperAttention],
  [
    'probabilities packed while wgmma reads the last ones',
    'attention_wgmma.cu',
    '      soften(softmax, score, a.scale, shrink);\n',
    '      soften(softmax, score, a.scale, shrink);\n      pack_scores<T>(probability, score);\n',
    hopperAttention,
  ],
  [
    'sums not brought to a new highest score',
    'attention_wgmma.cu',
    'sum[i] *= shrink[i / 2 % 2];',
    'sum[i] *= 1;',
    hopperSharp,
  ],
  [
    'the total is not brought to a new highest score',
    'attention_wgmma.cu',
    'softmax.total[half] *= shrink[half];',
    '',
    hopperAttention,
  ],
  [
    'a panel of values half as far',
    'attention_wgmma.cu',
    'kStepTokens * kSwizzledRowBytes), true',
    'kPageTokens * kSwizzledRowBytes), true',
    hopperAttention,
  ],
  ['no fence before wgmma', 'attention_wgmma.cu', '    wgmma_fence();\n', '', schedules],
  ['a turn that nobody begins', 'attention_wgmma.cu', 'if (warpgroup == 1) end_turn();', '', schedules],
  [
    'tickets that are not given back',
    'attention_wgmma.cu',
    'atomic_add(a.tickets, 0 - (ticket + 1));',
    '',
    hopperTexts,
  ],
  [
    'a tile left out',
    'attention_wgmma.cu',
    'tiles - 1 - ticket % tiles',
    '(tiles - 1 - ticket % tiles) / 2 * 2',
    hopperTexts,
  ],
  [
    'a task replaced before all have read it',
    'attention_wgmma.cu',
    'mbarrier_init(shared_address(&shared->taken), kStages + kAttendants);',
    'mbarrier_init(shared_address(&shared->taken), kStages);',
    schedules,
  ],
  [
    'wgmma for many rows only',
    'attention_mma.cu',
    'card.has_wgmma && fits',
    'if (card.has_wgmma && query.rows > 16 && fits',
    'cuda: hopper: attention is chosen',
  ],
  [
    'wgmma for short batches',
    'attention_mma.cu',
    'plan == Plan::large && card',
    'card',
    'cuda: hopper: attention is chosen',
  ],
  [
    'a graph cut short is launched',
    'replay.h',
    'known.has_graph = !launched && !captured;',
    'known.has_graph = !captured;',
    'survives the failure',
  ],
  [
    'no graph, no vectors',
    'replay.h',
    'return launches.launch_on(stream) ? failure : nullptr;',
    'return failure;',
    'graphs are no need',
  ],
  ['the layer of a run is ignored', 'pages.cuh', 'static_cast<size_t>(layer) * run.layer_stride', '0', manyTexts],
  [
    'keys and values stored past the prefix',
    'rope.cu',
    'place.position - place.span->prefix.tokens',
    'place.position',
    manyTexts,
  ],
  ['rotated the wrong way', 'rope.cu', 'x * cosine - y * sine', 'x * cosine + y * sine', 'norm_rope: agrees'],
  [
    "a block's sums overwritten while they are read",
    'reduce.cuh',
    '  sync_block();  // `warps` may',
    '  // `warps` may',
    'pool: agrees',
  ],
  [
    'an infinity past the cut passes',
    'row_ops.cu',
    'scale > 0 && squares < INFINITY',
    'squares < INFINITY',
    'pool: tells',
  ],
  ['up rows stored over gate rows', 'kernels.h', '2 * (row - gates) + 1', '2 * (row - gates)', 'any gate'],
  [
    'every round waits for the parity of the first',
    'gemm_wgmma.cu',
    'mbarrier_wait(shared.full(turn.stage), turn.parity);',
    'mbarrier_wait(shared.full(turn.stage), 0);',
    hopper,
  ],
  [
    'stages filled before they are empty',
    'gemm_wgmma.cu',
    'mbarrier_wait(shared.empty(turn.stage), turn.parity ^ 1);',
    'mbarrier_wait(shared.empty(turn.stage), 1);',
    hopper,
  ],
  ['a stage released while wgmma reads it', 'gemm_wgmma.cu', 'wgmma_wait<1>();', 'wgmma_wait<2>();', hopper],
  [
    'the last stage of a tile never released',
    'gemm_wgmma.cu',
    'if (releases) mbarrier_arrive(shared.empty(previous));',
    '',
    hopper,
  ],
  ['mbarriers that TMA does not know', 'gemm_wgmma.cu', 'fence_mbarrier_init();', '', hopper],
  [
    'mbarriers used before they are made',
    'gemm_wgmma.cu',
    'sync_block();\n    if (threadIdx.x < kWarpgroupThreads)',
    'if (threadIdx.x < kWarpgroupThreads)',
    hopper,
  ],
  [
    'the bytes of one operand expected',
    'gemm_wgmma.cu',
    'mbarrier_arrive_expecting(full, kStageBytes<Form>);',
    'mbarrier_arrive_expecting(full, kInBytes);',
    hopper,
  ],
  ['a descriptor with half the stride', 'hopper.cuh', 'sizeof(SwizzledRows) >> 4', 'sizeof(SwizzledRows) >> 5', wgmma],
  [
    'both warpgroups multiply the same rows',
    'gemm_wgmma.cu',
    'shared.in(turn.stage) + share_row * kStepBytes',
    'shared.in(turn.stage)',
    hopper,
  ],
  ['sums that do not begin at 0', 'gemm_wgmma.cu', 'step + byte > 0', 'true', wgmma],
  ['no fence before wgmma', 'gemm_wgmma.cu', 'wgmma_fence();', '', hopper],
  ['sums stored before they are there', 'gemm_wgmma.cu', '    wgmma_wait<0>();\n', '', hopper],
  ['rows of sums 8 apart, not 16', 'gemm_wgmma.cu', 'thread / 32 * 16 + thread', 'thread / 32 * 8 + thread', wgmma],
  ['a proxy fence forgotten before a box is stored', 'gemm_wgmma.cu', '    fence_proxy_async();\n', '', hopper],
  [
    'a box stored before all have written it',
    'gemm_wgmma.cu',
    'fence_proxy_async();\n    sync_threads(barrier, kWarpgroupThreads);',
    'fence_proxy_async();',
    hopper,
  ],
  [
    'a box written while TMA reads it',
    'gemm_wgmma.cu',
    'tma_wait_read<kBoxes - 1>();',
    'tma_wait_read<kBoxes>();',
    hopper,
  ],
  [
    'a box written by those who do not know that it was read',
    'gemm_wgmma.cu',
    'sync_threads(barrier, kWarpgroupThreads);  // the box',
    '// the box',
    hopper,
  ],
  ['a block that ends before its boxes are read', 'gemm_wgmma.cu', 'if (stores) tma_wait_read<0>();', '', hopper],
  ['a box not committed', 'gemm_wgmma.cu', '      tma_commit();\n', '', hopper],
  ['boxes without the swizzle', 'gemm_wgmma.cu', ' ^ row % 8 * 16', '', wgmma],
  ['both blocks of rows in the same place', 'gemm_wgmma.cu', '(block * kSums * 2 + box_col)', 'box_col', hopper],
  ['stored where it should be added', 'gemm_wgmma.cu', 'tma_add_2d(out_map', 'tma_store_2d(out_map', wgmma],
  ["gated values in the sums' columns", 'gemm_wgmma.cu', '/ 2 * kValuesOfPair', '', wgmma],
  ['a row past the end has a scale', 'gemm_wgmma.cu', 'row < x.rows ? x.row_scale(row) : 0', 'x.row_scale(row)', sums],
  ['a column past the end has a scale', 'gemm_wgmma.cu', 'own_scales && col < cols_left', 'own_scales', sums],
  [
    'a turn taken before it comes',
    'gemm_wgmma.cu',
    'if (kTakeTurns && tile >= gridDim.x) sync_threads',
    'if (kTakeTurns && tile >= 2 * gridDim.x) sync_threads',
    hopper,
  ],
  [
    'no turn handed over',
    'gemm_wgmma.cu',
    'tile + gridDim.x < all.count()',
    'tile + 2 * gridDim.x < all.count()',
    hopper,
  ],
  ["the other's stages not skipped", 'gemm_wgmma.cu', "turn.skip(all.steps);  // the other's", '', hopper],
  [
    'a stage empty when one of two has read it',
    'gemm_wgmma.cu',
    'mbarrier_init(shared.empty(stage), Form::kSharers * kWarpgroupWarps)',
    'mbarrier_init(shared.empty(stage), kWarpgroupWarps)',
    hopper,
  ],
  [
    'wgmma for many rows only',
    'gemm_mma.cu',
    'if (card.has_wgmma && plan == Plan::large',
    'if (card.has_wgmma && x.rows > 16 && plan == Plan::large',
    'hopper bf16: linear ops: a row alone',
  ],
  [
    'a stage of the rotation missing',
    'quantize.cu',
    'if (bits - shift == 2) butterflies<2>(row, cols, shift);',
    '',
    rows,
  ],
  ['a butterfly without its difference', 'quantize.cu', 'value[i + apart] = a - b;', 'value[i + apart] = a + b;', rows],
  ["the weight's scale forgotten", 'gemm.cuh', 'multiply(value, col_scale) : value', 'value : value', sums],
  [
    "the row's scale forgotten",
    'gemm.cuh',
    'multiply(static_cast<float>(sum), row_scale)',
    'static_cast<float>(sum)',
    sums,
  ],
  ['1 / order forgotten', 'quantize.cu', '1 / static_cast<float>(1u << order_bits(weight.cols))', '1', sums],
  [
    'the peak of half the row',
    'quantize.cu',
    'for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) {\n    const float size',
    'for (uint32_t i = threadIdx.x; i < (cols + 1) / 2; i += kRowThreads) {\n    const float size',
    rows,
  ],
  [
    'an infinite value counts as none',
    'quantize.cu',
    'size < INFINITY ? size : INFINITY',
    'size < INFINITY ? size : 0',
    'cuda int8: linear ops: NaN',
  ],
  [
    'rows rotated before they are there',
    'quantize.cu',
    'cols, row, warps);\n  sync_block();',
    'cols, row, warps);',
    rows,
  ],
  [
    'rows written in place over rows not yet read',
    'quantize.cu',
    'quantized->stride = in.stride * 2;',
    'quantized->stride = in.stride;',
    'cuda int8: linear ops: large shapes',
  ],
  [
    'columns of the input not levelled',
    'quantize.cu',
    'if (kLevelling == Levelling::input) value *= lengths[i];',
    '',
    'cuda int8: linear ops: large shapes',
  ],
  [
    'columns of the weight not levelled',
    'quantize.cu',
    'value = lengths[i] > 0 ? value / lengths[i] : 0;',
    'value = value;',
    'cuda int8: linear ops: large shapes',
  ],
  [
    'whole numbers cut off, not rounded',
    'quantize.cu',
    'static_cast<int8_t>(round_to_int(row[slot(i)] * steps))',
    'static_cast<int8_t>(row[slot(i)] * steps)',
    rows,
  ],
  ['a copy overtakes the ops in front of it', 'cuda_backend.cu', 'launch_kept();\n    ask(op);', 'ask(op);', graphs],
  [
    'a batch overtakes the one in front of it',
    'cuda_backend.cu',
    'launch_kept();\n    const bool small',
    'const bool small',
    keeps,
  ],
  [
    'more launches kept than there is room for',
    'cuda_backend.cu',
    'if (!kept_.has_room_for(kOpBytes)) launch_kept();',
    '',
    keeps,
  ],
  ['launches made twice', 'cuda_backend.cu', '    kept_.clear();\n', '', replayed],
  [
    'graphs never destroyed',
    'replay.h',
    'if (known.has_graph) destroy_graph(known.graph);',
    '',
    'survives the failure',
  ],
  [
    'the list used last goes first',
    'replay.h',
    'last_used < oldest->last_used',
    'last_used > oldest->last_used',
    graphs,
  ],
  ['no list is known again', 'replay.h', '? ++uses_ : 0', '? 0 : 0', replayed],
  ['every parameter is the first', 'launches.h', '*from += room_of<T>();', '', replayed],
  ['a list ends after its first launch', 'launches.h', 'at += kept.parameter_bytes;', 'at = used_;', replayed],
  [
    'rows brought before they are there',
    'gemm_mma.cu',
    '  wait_for_previous();\n  for (uint32_t turn = 0; turn < kStages - 1; ++turn) {\n    if (turn < mine) load_in(turn);\n    cp_async_commit();  // the first group has the weights of all these turns\n  }\n',
    '  for (uint32_t turn = 0; turn < kStages - 1; ++turn) {\n    if (turn < mine) load_in(turn);\n    cp_async_commit();\n  }\n  wait_for_previous();\n',
    overlap,
  ],
  [
    'a step in two parts',
    'gemm_mma.cu',
    '(blockIdx.y + 1) / gridDim.y - first_step',
    '(blockIdx.y + 1) / gridDim.y - first_step + (blockIdx.y == 0)',
    wide,
  ],
  ['the last part left out', 'gemm_mma.cu', 'part < count; ++part', 'part + 1 < count; ++part', wide],
  [
    'parts in one place',
    'gemm_mma.cu',
    '(static_cast<size_t>(blockIdx.y) * x.rows + row)',
    'static_cast<size_t>(row)',
    wide,
  ],
  [
    'parts added before they are there',
    'gemm_mma.cu',
    'wait_for_previous();\n  const uint32_t row = blockIdx.y',
    'const uint32_t row = blockIdx.y',
    'wide weights: linear_swiglu',
  ],
  ['weights multiplied before they are stored', 'cuda_backend.cu', 'weights_are_on_their_way_ = true;', '', linear],
  ['attention waits for nothing', 'attention_mma.cu', '  wait_for_previous();\n', '', overlap],
  ['int8 rows wait for nothing', 'quantize.cu', '  wait_for_previous();\n', '', overlap],
  [
    'keys and values wait for nothing',
    'rope.cu',
    'wait_for_previous();\n  const uint32_t task = blockIdx.x * kWarps + threadIdx.x / 32;\n  const uint32_t row = task / (2',
    'const uint32_t task = blockIdx.x * kWarps + threadIdx.x / 32;\n  const uint32_t row = task / (2',
    overlap,
  ],
  [
    'launches overlap on every card',
    'cuda_backend.cu',
    'overlaps_ = compiled_for >= kOverlappingCode;',
    'overlaps_ = true;',
    replayed,
  ],
  ['invariance ignored', 'cuda_backend.cu', '!invariant && tokens', 'tokens', 'invariant batches'],
  [
    'staging filled while the device reads it',
    'cuda_backend.cu',
    'halves_[current_].in_use ? cuda::wait_for(halves_[current_].done) : nullptr',
    'nullptr',
    'store_weight: gate',
  ],
  [
    'vectors taken before the device is done',
    'cuda_backend.cu',
    'return failure ? failure : cuda::wait_for(done_);',
    'return failure;',
    'pool: agrees',
  ],
  ['the name of kernels that do not run', 'cuda_backend.cu', 'card_.has_wgmma ? "a"', 'is_hopper ? "a"', named],
  ['a name that hides which kernels run', 'cuda_backend.cu', 'card_.has_wgmma ? "a"', 'false ? "a"', named],
  ['a tuning that nobody reads', 'cuda_backend.cu', 'card_.tuning = tuning;', '', costs],
  [
    'a bad tuning taken',
    'cuda_backend.cu',
    'words && !cuda::parse_tuning(words, &tuning, message, message_bytes)',
    'words && !cuda::parse_tuning(words, &tuning, message, message_bytes) && false',
    tuning,
  ],
  [
    'a tuned bound of the small plan ignored',
    'cuda_backend.cu',
    'tokens <= card_.tuning.small_tokens',
    'tokens <= cuda::kSmallBatchTokens',
    'invariant batches',
  ],
  ['a tuning with something behind it', 'tuning.cu', ' && stop == end', '', tuning],
  ['a tuning past its range', 'tuning.cu', ' || value > number.most', '', tuning],
  ['tuning with decimals of another size', 'tuning.cu', 'unit *= 10', 'unit *= 1', tuning],
  ['a tuned tile ignored', 'gemm_wgmma.cu', 'form == TileForm::automatic ?', 'true ?', hopper],
  ["a tuned step's cost ignored", 'gemm_wgmma.cu', 'steps * card.tuning.narrow_step', 'steps * 1.375', costs],
  [
    'a tuning for int8 in bf16',
    'gemm_wgmma.cu',
    'sizeof(T) == 1 ? tuning.finish_int8 : 0',
    'tuning.finish_int8',
    costs,
  ],
  [
    'tuned parts, and not one',
    'gemm_mma.cu',
    'max(min(tuning.part_blocks / col_tiles, most), 1u)',
    'min(tuning.part_blocks / col_tiles, most)',
    parts,
  ],
  ['tuned parts past their memory', 'gemm_mma.cu', 'kBroadCols * tuning.part_blocks', 'kBroadCols * 128', parts],
  ['a tuned number of tiles ignored', 'gemm_mma.cu', 'if (col_tiles >= tuning.enough_tiles) return 1;', '', parts],
];

const copy = path.join(root, 'build', 'mutants', 'cuda');
const build = path.join(root, 'build', 'mutants', 'cmake');

try {
  const words = process.argv.slice(2);
  const chosen = faults.filter(([what, file]) => words.every((word) => `${what} ${file}`.includes(word)));
  prepare();
  for (const test of new Set(chosen.map(([, , , , tests]) => tests))) {
    if (testsFail(test)) throw new Error(`'${test}' fails without any fault`);
  }
  const unseen = chosen.filter(([what, file, from, to, tests]) => {
    const seen = withFault(file, from, to, () => testsFail(tests));
    console.log(`${seen ? `seen by '${tests}'` : `NOT SEEN by '${tests}'`}  ${file}: ${what}`);
    return !seen;
  });
  if (unseen.length > 0) throw new Error(`${unseen.length} of ${chosen.length} faults were not seen`);
  console.log(`all ${chosen.length} faults were seen`);
} catch (error) {
  fail(error);
}

function prepare() {
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(path.join(root, 'cuda'), copy, { recursive: true }); // newer than what faults left built
  run('cmake', [
    '-S',
    root,
    '-B',
    build,
    '-DQWEN3_EMBED_TESTS=ON',
    '-DQWEN3_EMBED_CUDA=OFF',
    `-DQWEN3_SIMT_KERNELS=${copy}`,
  ]);
  compile();
}

function compile() {
  run('cmake', ['--build', build, '--target', 'simt_tests', '--parallel', '2']);
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
}

function withFault(file, from, to, check) {
  const name = path.join(copy, file);
  const sound = fs.readFileSync(name, 'utf8');
  if (!sound.includes(from)) throw new Error(`${file} no longer has '${from}': mend the list of faults`);
  fs.writeFileSync(
    name,
    sound.replace(from, () => to),
  );
  try {
    compile();
    return check();
  } finally {
    fs.writeFileSync(name, sound);
  }
}

/** Whether a test whose name contains `part` fails, or the program ends in another way than it should. */
function testsFail(part) {
  const result = spawnSync(path.join(build, 'bin', 'simt_tests'), ['--filter', part], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (result.status === 0 && !result.stdout.includes('"ok":true')) throw new Error(`there is no test '${part}'`);
  return result.status !== 0;
}
