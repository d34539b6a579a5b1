export const file = 'cuda/launches.h';
export const suite = 'emulator_tests';

const graphs = 'cuda: short batches run as graphs';

export const mutants = [
  {
    name: 'every parameter has the value of the first',
    text: '*from += room_of<T>();',
    replacement: '',
    tests: graphs,
  },
  {
    name: 'a list ends after its first launch',
    text: 'at += recorded.parameter_bytes;',
    replacement: 'at = used_;',
    tests: graphs,
  },
];
