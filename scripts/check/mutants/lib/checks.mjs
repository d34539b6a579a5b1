export const file = 'lib/options/checks.ts';
export const suite = 'lib/options';

const invalid = 'options';

export const mutants = [
  {
    name: 'unknown options are ignored',
    text: 'if (known.includes(name as Name)) continue;',
    replacement: 'if (known.length > 0) continue;',
    tests: invalid,
  },
  {
    name: 'the least similar option is proposed',
    text: 'distance(word, other) < distance(word, best) ? other : best',
    replacement: 'distance(word, other) > distance(word, best) ? other : best',
    tests: invalid,
  },
  {
    name: 'a name of any length is compared',
    text: 'const word = shorten(name);',
    replacement: 'const word = name;',
    tests: invalid,
  },
  {
    name: 'an array is an object of options',
    text: ' || Array.isArray(options)) {',
    replacement: ') {',
    tests: invalid,
  },
  {
    name: 'a fraction is an integer',
    text: 'Number.isInteger(value) && value >= low',
    replacement: 'value >= low',
    tests: invalid,
  },
  {
    name: 'a number may be one too small',
    text: 'value >= low && value <= high',
    replacement: 'value >= low - 1 && value <= high',
    tests: invalid,
  },
  {
    name: 'a number may be one too large',
    text: 'value >= low && value <= high',
    replacement: 'value >= low && value <= high + 1',
    tests: invalid,
  },
  {
    name: 'any string is one of the values',
    text: 'if (values.includes(given as Value)) return',
    replacement: 'if (values.length > 0) return',
    tests: invalid,
  },
  {
    name: 'null is no signal and no error',
    text: 'if (given === undefined) return undefined;',
    replacement: 'if (given == null) return undefined;',
    tests: invalid,
  },
  {
    name: 'a signal needs no removeEventListener',
    text: ` &&
    typeof given.removeEventListener === 'function'`,
    replacement: '',
    tests: invalid,
  },
];
