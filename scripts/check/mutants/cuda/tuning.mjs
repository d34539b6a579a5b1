export const file = 'cuda/tuning.cu';
export const suite = 'emulator_tests';

const tuning = 'cuda: tuning is read';

export const mutants = [
  {
    name: 'text after a tuning is accepted',
    text: ' && stop == end',
    replacement: '',
    tests: tuning,
  },
  {
    name: 'a tuning out of its range is accepted',
    text: ' || value > number.high',
    replacement: '',
    tests: tuning,
  },
  {
    name: 'decimals of a tuning have the wrong weight',
    text: 'unit *= 10',
    replacement: 'unit *= 1',
    tests: tuning,
  },
];
