export const file = 'native/devices/cuda_library.cc';
export const suite = 'embedder/cuda';

export const mutants = [
  {
    name: 'the library next to the addon is looked up in the current folder',
    text: 'own_library().replace_filename(library_file_name("qwen3_embed_cuda"))',
    replacement: 'std::filesystem::path(library_file_name("qwen3_embed_cuda"))',
    suite: 'native_tests',
    tests: 'device: the CUDA library is beside this program',
  },
  {
    name: 'a missing library has the message of the system',
    text: '!std::filesystem::is_regular_file(file, ignored)',
    replacement: 'false',
    tests: 'that has no library gets an error',
  },
  {
    name: 'a truncated library is opened',
    text: '!is_complete_library(file)',
    replacement: 'false',
    tests: 'that has a truncated one gets an error',
  },
  {
    name: 'a library of another release is used',
    text: 'version() != kCudaInterfaceVersion',
    replacement: 'false',
    tests: 'that has one of another release gets an error',
  },
  {
    name: 'a library without the symbols is used',
    text: 'if (!version || !create)',
    replacement: 'if (false)',
    tests: 'that has one of another project gets an error',
  },
  {
    name: 'a second library is opened in a process',
    text: 'if (!library.create) library',
    replacement: 'library',
    tests: 'opens one library, whatever the variable says later',
  },
];
