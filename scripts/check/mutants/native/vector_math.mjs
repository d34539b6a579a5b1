export const file = 'native/cpu/kernels/vector_math.h';
export const suite = 'native_tests';

const anyGate = 'cpu avx2 f32: linear_swiglu: any gate';

export const mutants = [
  {
    name: 'a coefficient of 2^x is wrong in its last digits',
    text: '0x1.ebfbdcp-3f',
    replacement: '0x1.ebfp-3f',
    tests: anyGate,
  },
  {
    name: 'e^x does not reach infinity',
    text: 'V::set1(88.8f)',
    replacement: 'V::set1(88)',
    tests: anyGate,
  },
  {
    name: 'e^x is wrong for small results',
    text: 'V::max(V::set1(-88), V::min(V::set1(88.8f), x))',
    replacement: 'V::min(V::set1(88.8f), x)',
    tests: anyGate,
  },
  {
    name: 'a score that is a NaN becomes a number',
    text: 'V::max(V::set1(V::kMinExponent), V::min(V::set1(128), x))',
    replacement: 'V::max(V::min(V::set1(128), x), V::set1(V::kMinExponent))',
    tests: 'cpu avx2 f32: attention: non-finite',
  },
];
