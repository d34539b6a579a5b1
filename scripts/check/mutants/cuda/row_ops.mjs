export const file = 'cuda/row_ops.cu';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'an infinity past the requested dimensions is accepted',
    text: 'scale > 0 && squares < INFINITY',
    replacement: 'squares < INFINITY',
    tests: 'pool: reports',
  },
];
