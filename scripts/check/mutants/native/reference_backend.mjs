export const file = 'native/reference/reference_backend.cc';
export const suite = 'native_tests';

const manyTexts = 'cpu scalar f32: attention: many texts';

export const mutants = [
  {
    name: 'subnormal f16 numbers are half as large',
    text: 'std::ldexp(static_cast<float>(fraction), -24)',
    replacement: 'std::ldexp(static_cast<float>(fraction), -25)',
    tests: 'reference: store_weight: every f16',
  },
  {
    name: 'own pages looked up at the index that includes the prefix',
    text: 'position - span.prefix.tokens;',
    replacement: 'position;',
    tests: manyTexts,
  },
  {
    name: 'a row attends to the token before it only',
    text: `for (uint32_t p = 0; p <= position; ++p) {
          const float* value`,
    replacement: `for (uint32_t p = 0; p < position; ++p) {
          const float* value`,
    tests: 'reference: attention: one token',
  },
  {
    name: 'weights larger than one',
    text: 'std::exp(probabilities[p] - row_max)',
    replacement: 'std::exp(probabilities[p])',
    tests: 'cpu scalar f32: attention: sharp scores',
  },
  {
    name: 'an infinity past the requested dimensions is accepted',
    text: 'scale > 0 && std::isfinite(squares)',
    replacement: 'std::isfinite(squares)',
    tests: 'reference: pool: reports',
  },
  {
    name: 'a gain that is not finite is accepted',
    text: 'scale > 0 && std::isfinite(squares)',
    replacement: 'scale > 0',
    tests: 'reference: pool: reports',
  },
  {
    name: 'a vector of zeros is divided by its length',
    text: 'std::max(std::sqrt(squares), 1e-12)',
    replacement: 'std::sqrt(squares)',
    tests: 'cpu scalar f32: pool: agrees',
  },
];
