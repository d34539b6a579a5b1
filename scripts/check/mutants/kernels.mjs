export const file = 'kernels.h';

export const mutants = [
  {
    name: 'up rows overwrite gate rows',
    text: '2 * (row - gates) + 1',
    replacement: '2 * (row - gates)',
    tests: 'any gate',
  },
];
