export const file = 'native/platform/processor.cc';
export const suite = 'native_tests';

const cores = 'processor: physical cores of an affinity';

export const mutants = [
  {
    name: 'every thread counts as a core',
    text: 'siblings.insert(list.empty() ? name : list);',
    replacement: 'siblings.insert(name);',
    tests: cores,
  },
  {
    name: 'CPUs without topology are one core',
    text: 'siblings.insert(list.empty() ? name : list);',
    replacement: 'siblings.insert(list);',
    tests: cores,
  },
  {
    name: 'the CPU quota is ignored',
    text: 'quota < cores)',
    replacement: 'quota < 0)',
    tests: cores,
  },
  {
    name: 'a quota of half a CPU gives no core',
    text: 'std::max(cores, 1u)',
    replacement: 'cores',
    tests: cores,
  },
  {
    name: 'the affinity is ignored',
    text: 'if (CPU_ISSET(cpu, &bound))',
    replacement: 'if (cpu < 64)',
    tests: 'processor: physical cores respect the affinity',
  },
];
