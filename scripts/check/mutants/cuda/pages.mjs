export const file = 'cuda/pages.cuh';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'the layer of a run is ignored',
    text: 'static_cast<size_t>(layer) * run.layer_stride',
    replacement: '0',
    tests: 'cuda bf16: attention: many texts',
  },
];
