export const file = 'attention.cuh';

export const mutants = [
  {
    name: 'the tiles of spans overlap',
    text: 'first_row / tile_rows + s;',
    replacement: 'first_row / tile_rows;',
    tests: 'cuda bf16: attention: many texts',
  },
];
