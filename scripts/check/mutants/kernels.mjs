export const file = 'kernels.h';

export const faults = [
  {
    name: 'up rows overwrite gate rows',
    text: '2 * (row - gates) + 1',
    replacement: '2 * (row - gates)',
    tests: 'any gate',
  },
];
