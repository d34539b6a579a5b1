export const file = 'cuda/kernels.h';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'up rows overwrite gate rows',
    text: '2 * (row - gates) + 1',
    replacement: '2 * (row - gates)',
    tests: 'any gate',
  },
];
