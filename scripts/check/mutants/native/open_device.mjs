export const file = 'native/devices/open_device.cc';

const embedder = 'embedder/embedder';
const cuda = 'embedder/cuda';

export const mutants = [
  {
    name: 'every backend has threads of its own',
    text: 'std::shared_ptr<ThreadPool> pool = known->lock();',
    replacement: 'std::shared_ptr<ThreadPool> pool;',
    suite: 'native_tests',
    tests: 'device: CPU backends share threads',
  },
  {
    name: 'an instruction set is chosen that the processor does not have',
    text: '!isa || std::find(available.begin(), available.end(), *isa) == available.end()',
    replacement: '!isa',
    suite: 'native_tests',
    tests: 'device: instruction sets of other machines are refused',
  },
  {
    name: 'the precision of the checkpoint is used on a device without it',
    text: 'offers(device, own) ? own : precisions(device)[0]',
    replacement: 'own',
    suite: embedder,
    tests: 'uses f32 if the device does not support',
  },
  {
    name: 'a precision is used on a device without it',
    text: 'if (offers(device, *wanted)) return *wanted;',
    replacement: 'return *wanted;',
    suite: embedder,
    tests: 'rejects a precision that the device does not support',
  },
  {
    name: 'every GPU is the first',
    text: 'static_cast<int32_t>(std::stoi(device.substr(5)))',
    replacement: '0',
    suite: cuda,
    tests: 'are rejected if the GPU or the precision is not supported',
  },
  {
    name: 'the number of threads is ignored',
    text: 'request.threads ? request.threads : physical_cores()',
    replacement: 'physical_cores()',
    suite: embedder,
    tests: 'its own number of threads',
  },
  {
    name: 'more threads than the system allows end the load with another error',
    text: 'throw Error(ErrorCode::device_unavailable,\n                "the system',
    replacement: 'throw Error(ErrorCode::device_failed,\n                "the system',
    suite: 'native_tests',
    tests: 'device: too many threads are refused',
  },
  {
    name: 'auto never chooses the CPU for a precision that a GPU does not support',
    text: '!request.precision || offers("cuda", *request.precision)',
    replacement: 'true',
    suite: 'native_tests',
    tests: 'device: auto tells why it chose the CPU',
  },
  {
    name: 'nobody learns why auto chose the CPU',
    text: '  opened.note = note;\n',
    replacement: '',
    suite: 'native_tests',
    tests: 'device: auto tells why it chose the CPU',
  },
];
