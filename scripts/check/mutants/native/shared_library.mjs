export const file = 'native/platform/shared_library.cc';
export const suite = 'native_tests';

const truncated = 'library: truncated ones are recognized';

export const mutants = [
  {
    name: 'a library that ends in its header is complete',
    text: 'size >= sizeof header && ',
    replacement: '',
    tests: truncated,
  },
  {
    name: 'an offset near 2^64 is in the file',
    text: 'header.e_shoff <= size &&',
    replacement: '',
    tests: truncated,
  },
  {
    name: 'a complete library is truncated',
    text: '<= size - header.e_shoff',
    replacement: '< size - header.e_shoff',
    tests: truncated,
  },
  {
    name: 'a file that is no library is truncated',
    text: 'return true;\n  return !error',
    replacement: 'return false;\n  return !error',
    tests: truncated,
  },
];
