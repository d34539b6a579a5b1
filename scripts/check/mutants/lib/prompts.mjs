export const file = 'lib/checkpoint/prompts.ts';
export const suite = 'lib/checkpoint';

const tests = 'modules.json, pooling and prompts';

export const mutants = [
  {
    name: 'prompts may be an array',
    text: "if (!isObject(prompts)) throw invalid(file, 'prompts is not an object');",
    replacement: '',
    tests,
  },
  {
    name: 'a prompt that is a number is ignored',
    text: "if (typeof text !== 'string') throw",
    replacement: "if (typeof text === 'number') continue;\n    if (typeof text !== 'string') throw",
    tests,
  },
];
