export const file = 'row_ops.cu';

export const faults = [
  {
    name: 'an infinity past the cut passes',
    text: 'scale > 0 && squares < INFINITY',
    replacement: 'squares < INFINITY',
    tests: 'pool: tells',
  },
];
