export const file = 'cuda/reduce.cuh';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: "a block's sums overwritten while they are read",
    text: '  sync_block();  // an earlier',
    replacement: '  // an earlier',
    tests: 'pool: agrees',
  },
];
