export const file = 'native/cpu/isa/avx512.h';
export const suite = 'avx512_emulation_tests';

export const mutants = [
  {
    name: 'a mask has one lane too many',
    text: '(1u << n) - 1',
    replacement: '(2u << n) - 1',
    tests: 'emulated cpu avx512 f32: rms_norm: agrees',
  },
  {
    name: 'maximum and minimum lose a NaN',
    text: '_mm512_max_ps(a, b)',
    replacement: '_mm512_max_ps(b, a)',
    tests: 'emulated cpu avx512 f32: attention: non-finite',
  },
];
