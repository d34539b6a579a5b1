export const file = 'native/platform/memory.cc';
export const suite = 'native_tests';

const smallest = 'memory: the smallest limit holds';
const addresses = 'memory: the address space is a limit';
const allocations = 'memory: allocations are aligned';

export const mutants = [
  {
    name: 'KiB are taken for bytes',
    text: 'kibibytes * 1024',
    replacement: 'kibibytes',
    tests: smallest,
  },
  {
    name: 'the memory of the machine replaces the limit of the group',
    text: 'available = std::min(available, kibibytes * 1024);',
    replacement: 'available = kibibytes * 1024;',
    tests: smallest,
  },
  {
    name: 'the limit of the address space is ignored',
    text: 'std::min(cgroup_available_bytes(system), available_addresses(system))',
    replacement: 'cgroup_available_bytes(system)',
    tests: addresses,
  },
  {
    name: 'pages are taken for bytes',
    text: 'pages * static_cast<size_t>(sysconf(_SC_PAGESIZE))',
    replacement: 'pages',
    tests: addresses,
  },
  {
    name: 'more addresses used than the limit is nearly no limit',
    text: 'limit.rlim_cur > used ? limit.rlim_cur - used : 0',
    replacement: 'limit.rlim_cur - used',
    tests: addresses,
  },
  {
    name: 'memory is aligned for the wrong instruction set',
    text: 'kAlignment{64}',
    replacement: 'kAlignment{16}',
    tests: allocations,
  },
  {
    name: 'too little memory ends the process',
    text: 'kAlignment, std::nothrow)',
    replacement: 'kAlignment)',
    tests: allocations,
  },
];
