export const file = 'native/cpu/kernels/attention.h';
export const suite = 'native_tests';

const emulated = 'avx512_emulation_tests';
const oneText = 'cpu avx2 f32: attention: one text';
const manyTexts = 'cpu avx2 f32: attention: many texts';
const sharp = 'cpu avx2 f32: attention: sharp scores';
const anyBatch = 'cpu avx2 f32: attention: same bits';
const nonFinite = 'cpu avx2 f32: attention: non-finite';

export const mutants = [
  {
    name: 'the wrong key-value head',
    text: 'head / (heads.query / heads.key_value)',
    replacement: 'head % heads.key_value',
    tests: oneText,
  },
  {
    name: 'the row maximum begins at zero',
    text: 'scratch.row_max[i] = -HUGE_VALF;',
    replacement: 'scratch.row_max[i] = 0;',
    tests: 'cpu avx2 f32: attention: one token',
  },
  {
    name: 'sums begin with what the memory held',
    text: 'V::store(scratch.sums + i, V::zero());',
    replacement: ';',
    tests: nonFinite,
  },
  {
    name: 'a row attends to the next token',
    text: 'masked_rows - start + 1;',
    replacement: 'masked_rows - start + 2;',
    tests: oneText,
  },
  {
    name: 'a prefix has all tokens of its last page',
    text: 'run.tokens - token < kPageTokens ? run.tokens - token : kPageTokens',
    replacement: 'kPageTokens',
    tests: manyTexts,
  },
  {
    name: 'rows of the result are found by the stride of the queries',
    text: 'size_t{own.first + i} * out.stride',
    replacement: 'size_t{own.first + i} * query.stride',
    tests: oneText,
  },
  {
    name: 'hidden keys count for the row maximum',
    text: 'V::keep_first(V::load(scores + last), visible_keys - last, V::set1(-HUGE_VALF))',
    replacement: 'V::load(scores + last)',
    tests: anyBatch,
  },
  {
    name: 'the row maximum forgets earlier pages',
    text: 'V::max(old_max, V::mul(V::set1(V::reduce_max(scores_max)), scale))',
    replacement: 'V::mul(V::set1(V::reduce_max(scores_max)), scale)',
    tests: sharp,
  },
  {
    name: 'the row sum is not rescaled to a new maximum',
    text: 'scratch.row_sum[row] * rescale + ',
    replacement: 'scratch.row_sum[row] + ',
    tests: sharp,
  },
  {
    name: 'rows of a group add the keys of its last row',
    text: 'page.visible_to(first) / F::kDepth',
    replacement: 'page.visible_to(first + n.kCount - 1) / F::kDepth',
    tests: nonFinite,
  },
  {
    name: 'the last key of a page without a pair is left out',
    text: 'if (visible > key) {',
    replacement: 'if (visible > key + F::kDepth - 1) {',
    suite: emulated,
    tests: 'emulated cpu avx512bf16 bf16: attention: one token',
  },
  {
    name: 'sums of a group are rescaled as its first row',
    text: 'V::set1(scratch.rescale[row + i])',
    replacement: 'V::set1(scratch.rescale[row])',
    tests: oneText,
  },
];
