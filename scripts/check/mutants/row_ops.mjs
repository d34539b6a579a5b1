export const file = 'row_ops.cu';

export const faults = [
  {
    name: 'an infinity past the cut dimensions is accepted',
    text: 'scale > 0 && squares < INFINITY',
    replacement: 'squares < INFINITY',
    tests: 'pool: reports',
  },
];
