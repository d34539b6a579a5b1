export const file = 'lib/options/load.ts';
export const suite = 'lib/options';

const tests = 'load options';

export const mutants = [
  {
    name: 'a device may have more behind its name',
    text: '(:\\d{1,3})?)$/',
    replacement: '(:\\d{1,3})?)/',
    tests,
  },
  {
    name: 'a device has one digit',
    text: '(:\\d{1,3})?)$/',
    replacement: '(:\\d)?)$/',
    tests,
  },
  {
    name: 'onProgress may be anything',
    text: "if (onProgress !== undefined && typeof onProgress !== 'function') {",
    replacement: 'if (onProgress === null) {',
    tests,
  },
  {
    name: 'batchInvariant may be anything',
    text: "throw wrongType('batchInvariant', 'a boolean', batchInvariant);",
    replacement: 'return checkLoadOptions({ ...(options as object), batchInvariant: true });',
    tests,
  },
  {
    name: 'threads may be 0',
    text: "checkInteger('threads', threads, 1, 1_024)",
    replacement: "checkInteger('threads', threads, 0, 1_024)",
    tests,
  },
  {
    name: 'a folder may be empty',
    text: "if (name === '')\n",
    replacement: "if (name === ' ')\n",
    tests,
  },
];
