export const file = 'native/platform/file.cc';
export const suite = 'native_tests';

const descriptor = 'file: closes its descriptor';
const exactly = 'file: reads exactly what is there';

export const mutants = [
  {
    name: 'a pipe is accepted',
    text: ' || !S_ISREG(about.st_mode)',
    replacement: '',
    tests: 'file: refuses what is no file',
  },
  {
    name: 'a refused file leaves its descriptor open',
    text: '    close(descriptor_);\n',
    replacement: '',
    tests: descriptor,
  },
  {
    name: 'a file leaves its descriptor open',
    text: 'File::~File() { close(descriptor_); }',
    replacement: 'File::~File() {}',
    tests: descriptor,
  },
  {
    name: 'offsets have 32 bits',
    text: 'static_cast<off_t>(offset)',
    replacement: 'static_cast<off_t>(static_cast<uint32_t>(offset))',
    tests: 'file: reads past 4 GiB',
  },
  {
    name: 'a truncated file is read as what the memory holds',
    text: 'if (got < 0) throw Error',
    replacement: 'if (got == 0) return;\n    if (got < 0) throw Error',
    tests: exactly,
  },
];
