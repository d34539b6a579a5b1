export const file = 'cuda/hopper.cuh';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'a descriptor with half the stride',
    text: 'sizeof(SwizzledRows) >> 4',
    replacement: 'sizeof(SwizzledRows) >> 5',
    tests: 'hopper bf16: linear ops: large shapes',
  },
];
