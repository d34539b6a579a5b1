export const file = 'reduce.cuh';

export const mutants = [
  {
    name: "a block's sums overwritten while they are read",
    text: '  sync_block();  // an earlier',
    replacement: '  // an earlier',
    tests: 'pool: agrees',
  },
];
