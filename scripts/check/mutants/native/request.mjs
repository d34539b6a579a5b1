export const file = 'native/engine/request.h';
export const suite = 'native_tests';

export const mutants = [
  {
    name: 'all texts of a slice begin with the first',
    text: '      begin += length;\n',
    replacement: '',
    tests: 'engine: answers in any batch',
  },
];
