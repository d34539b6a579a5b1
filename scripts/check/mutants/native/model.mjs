export const file = 'native/model/model.cc';
export const suite = 'native_tests';

export const mutants = [
  {
    name: 'more memory is allocated than is available',
    text: 'bytes <= available ? backend.allocate(bytes) : nullptr',
    replacement: 'backend.allocate(bytes)',
    tests: 'engine: failures affect their own calls only',
  },
];
