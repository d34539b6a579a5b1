export const file = 'native/cpu/isa/avx2.cc';
export const suite = 'native_tests';

const sharp = 'cpu avx2 f32: attention: sharp scores';

export const mutants = [
  {
    name: 'the low half of a pair stays in the high half',
    text: `_mm256_castsi256_ps(
        _mm256_and_si256(both, _mm256_set1_epi32(static_cast<int>(0xffff0000))));`,
    replacement: '_mm256_castsi256_ps(both);',
    tests: 'cpu avx2 bf16: linear ops: ragged shapes',
  },
  {
    name: 'maximum and minimum lose a NaN',
    text: '_mm256_max_ps(a, b)',
    replacement: '_mm256_max_ps(b, a)',
    tests: 'cpu avx2 f32: attention: non-finite',
  },
  {
    name: 'numbers are rounded down',
    text: '_MM_FROUND_TO_NEAREST_INT',
    replacement: '_MM_FROUND_TO_NEG_INF',
    tests: 'cpu avx2 f32: linear_swiglu: any gate',
  },
  {
    name: 'exponents below the smallest',
    text: 'kMinExponent = -127',
    replacement: 'kMinExponent = -128',
    tests: 'cpu avx2 f32: attention: one text',
  },
  {
    name: 'the maximum of half the lanes',
    text: '_mm_max_ss(two, _mm_movehdup_ps(two))',
    replacement: 'two',
    tests: sharp,
  },
  {
    name: 'a mask has one lane too many',
    text: '_mm256_set1_epi32(static_cast<int>(n))',
    replacement: '_mm256_set1_epi32(static_cast<int>(n + 1))',
    tests: 'cpu avx2 f32: rms_norm: agrees',
  },
];
