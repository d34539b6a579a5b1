export const file = 'lib/text/tokenizer.ts';
export const suite = 'lib/tokenizer';

export const mutants = [
  {
    name: 'a missing end token is not appended',
    text: 'if (this.#appended !== undefined) ids.push(this.#appended);',
    replacement: '',
    tests: 'whose template does not append the end token',
  },
  {
    name: 'the warning about a missing end token is repeated',
    text: 'warned.add(file);',
    replacement: '',
    tests: 'whose template does not append the end token',
  },
  {
    name: 'truncation in the file is applied',
    text: 'library.disableTruncation();',
    replacement: '',
    tests: 'with truncation and padding',
  },
  {
    name: 'padding in the file is applied',
    text: 'library.disablePadding();',
    replacement: '',
    tests: 'with truncation and padding',
  },
  {
    name: 'templates in a sequence are not checked',
    text: 'processors.forEach(refuse);',
    replacement: '',
    tests: 'whose template names a token that it does not define',
  },
  {
    name: 'a file that has changed is read again',
    text: 'if (hashOf(json) !== this.#hash) {',
    replacement: 'if (false) {',
    suite: 'embedder/changed_files',
    tests: 'a call that reads tokenizer.json again refuses one that has changed',
  },
];
