export const file = 'lib/options/prompt.ts';
export const suite = 'lib/options';

export const mutants = [
  {
    name: 'an instruction beside a prompt is ignored',
    text: 'if (instruction !== undefined && prompt !== undefined) {',
    replacement: 'if (false) {',
    tests: 'embed options',
  },
  {
    name: 'a space after the last colon of an instruction',
    text: '\\nQuery:`;',
    replacement: '\\nQuery: `;',
    tests: 'put an instruction or a prompt of the model before the text',
  },
  {
    name: 'a prompt is its name',
    text: "return { text, option: 'prompt' };",
    replacement: "return { text: name, option: 'prompt' };",
    tests: 'put an instruction or a prompt of the model before the text',
  },
];
