export const file = 'native/cpu/numbers.h';
export const suite = 'native_tests';

const special = 'cpu scalar bf16: store_weight: special values';

export const mutants = [
  {
    name: 'ties of rounding to bf16 go up',
    text: '0x7fffu + (bits >> 16 & 1)',
    replacement: '0x8000u',
    tests: special,
  },
  {
    name: 'a NaN becomes an infinity',
    text: 'bits >> 16 | 0x40u',
    replacement: 'bits >> 16',
    tests: special,
  },
  {
    name: 'an infinity becomes a NaN',
    text: '(bits & 0x7fffffffu) > 0x7f800000u',
    replacement: '(bits & 0x7fffffffu) >= 0x7f800000u',
    tests: special,
  },
];
