export const file = 'lib/errors.ts';
export const suite = 'lib/errors';

export const mutants = [
  {
    name: 'an error as JSON has no indices',
    text: 'return { name, code, message, ...(indices && { indices }) };',
    replacement: 'return { name, code, message };',
    tests: 'an error',
  },
  {
    name: 'an error as JSON has its vectors',
    text: 'return { name, code, message, ...(indices && { indices }) };',
    replacement: 'return { ...this, name, code, message };',
    tests: 'an error as JSON',
  },
];
