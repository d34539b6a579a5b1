export const file = 'reduce.cuh';

export const faults = [
  {
    name: "a block's sums overwritten while they are read",
    text: '  sync_block();  // `warps` may',
    replacement: '  // `warps` may',
    tests: 'pool: agrees',
  },
];
