export const file = 'native/cpu/kernels/row_ops.h';
export const suite = 'native_tests';

const oneText = 'cpu avx2 f32: attention: one text';
const manyTexts = 'cpu avx2 f32: attention: many texts';
const rmsNorm = 'cpu avx2 f32: rms_norm: agrees';

export const mutants = [
  {
    name: 'every layer in the pages of the first',
    text: ' + size_t{layer} * run.layer_stride',
    replacement: '',
    tests: manyTexts,
  },
  {
    name: 'a task in the middle of a text begins at its first position',
    text: 'span.position + (begin - span.first_row)',
    replacement: 'span.position',
    tests: oneText,
  },
  {
    name: 'own tokens in the slots of the prefix',
    text: 'position + r - span.prefix.tokens',
    replacement: 'position + r',
    tests: manyTexts,
  },
  {
    name: 'the norm reads past the last column',
    text: 'n - i < V::kLanes ? V::load(x + i, n - i) : V::load(x + i)',
    replacement: 'V::load(x + i)',
    tests: rmsNorm,
  },
  {
    name: 'rows of rms_norm are found by the stride of the input',
    text: 'size_t{r} * out.stride',
    replacement: 'size_t{r} * x.stride',
    tests: rmsNorm,
  },
  {
    name: 'RoPE rotates in the opposite direction',
    text: `V::sub(V::mul(x, cosine), V::mul(y, sine)));
      V::store(to + kHalf + i, V::fma(y, cosine, V::mul(x, sine)));`,
    replacement: `V::fma(x, cosine, V::mul(y, sine)));
      V::store(to + kHalf + i, V::sub(V::mul(y, cosine), V::mul(x, sine)));`,
    tests: 'cpu avx2 f32: norm_rope: agrees',
  },
];
