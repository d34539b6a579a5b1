export const file = 'native/cpu/isa/scalar.cc';
export const suite = 'native_tests';

export const mutants = [
  {
    name: 'negative numbers are rounded to halves',
    text: '(x.lane[i] + 0x1.8p23f) - 0x1.8p23f',
    replacement: '(x.lane[i] + 0x1p23f) - 0x1p23f',
    tests: 'cpu scalar f32: linear_swiglu: any gate',
  },
  {
    name: 'the maximum leaves out a lane',
    text: 'for (uint32_t i = 1; i < kLanes; ++i) most',
    replacement: 'for (uint32_t i = 1; i < kLanes - 1; ++i) most',
    tests: 'cpu scalar f32: attention: sharp scores',
  },
];
