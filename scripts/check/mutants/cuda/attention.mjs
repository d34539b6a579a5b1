export const file = 'cuda/attention.cuh';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'the tiles of spans overlap',
    text: 'first_row / tile_rows + s;',
    replacement: 'first_row / tile_rows;',
    tests: 'cuda bf16: attention: many texts',
  },
];
