export const file = 'native/engine/loaded_model.cc';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'batches are not limited to the workspace',
    text: '  loaded->limits = loaded->workspace->limits();\n',
    replacement: '',
    tests: 'cuda: a workspace uses the memory available at load',
  },
  {
    name: 'a model loads although no workspace fits beside it',
    text: 'load_model(source, files, std::move(backend), left_free, progress)',
    replacement: 'load_model(source, files, std::move(backend), 0, progress)',
    suite: 'native_tests',
    tests: 'load_model: loads fail with the backend',
  },
];
