export const file = 'cuda/gemm.cuh';
export const suite = 'emulator_tests';

const sums = 'cuda: int8: sums are exact';

export const mutants = [
  {
    name: 'gate and up exchanged',
    text: 'gate * reciprocal_approx(1 + exp2_approx(-kLog2E * gate)) * up',
    replacement: 'up * reciprocal_approx(1 + exp2_approx(-kLog2E * up)) * gate',
    tests: 'linear_swiglu: any gate',
  },
  {
    name: 'no input scale',
    text: 'in_scales ? in_scales[row] : 1',
    replacement: 'in_scales ? 1 : static_cast<float>(row)',
    tests: 'f16: gated values',
  },
  {
    name: 'no weight scale',
    text: 'multiply(value, col_scale) : value',
    replacement: 'value : value',
    tests: sums,
  },
  {
    name: 'no row scale',
    text: 'multiply(static_cast<float>(sum), row_scale)',
    replacement: 'static_cast<float>(sum)',
    tests: sums,
  },
];
