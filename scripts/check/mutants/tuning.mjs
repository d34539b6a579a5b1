export const file = 'tuning.cu';

const tuning = 'cuda: tuning is read';

export const faults = [
  {
    name: 'a tuning with something behind it',
    text: ' && stop == end',
    replacement: '',
    tests: tuning,
  },
  {
    name: 'a tuning past its range',
    text: ' || value > number.most',
    replacement: '',
    tests: tuning,
  },
  {
    name: 'tuning with decimals of another size',
    text: 'unit *= 10',
    replacement: 'unit *= 1',
    tests: tuning,
  },
];
