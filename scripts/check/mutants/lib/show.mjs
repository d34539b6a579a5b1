export const file = 'lib/show.ts';

const hostile = 'what a message quotes of a hostile file is short';

export const mutants = [
  {
    name: 'texts are quoted whole',
    text: 'text.length > characters ?',
    replacement: 'text.length > 1e9 ?',
    suite: 'lib/options',
    tests: 'make a message no longer',
  },
  {
    name: 'all items are shown',
    text: '.slice(0, maxItems)',
    replacement: '',
    suite: 'lib/options',
    tests: 'lists at most eight',
  },
  {
    name: 'arrays in arrays are shown to any depth',
    text: "Array.isArray(item) ? '[...]' : show(item)",
    replacement: 'show(item)',
    suite: 'lib/checkpoint',
    tests: hostile,
  },
  {
    name: 'null is shown as an object',
    text: "typeof value === 'object' && value !== null",
    replacement: "typeof value === 'object'",
    suite: 'lib/checkpoint',
    tests: 'config.json',
  },
  {
    name: 'a string is escaped whole before it is cut',
    text: 'shorten(JSON.stringify(value.slice(0, maxCharacters)))',
    replacement: 'JSON.stringify(value.slice(0, maxCharacters))',
    suite: 'lib/options',
    tests: 'make a message no longer',
  },
];
