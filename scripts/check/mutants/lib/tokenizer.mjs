export const file = 'lib/text/tokenizer.ts';
export const suite = 'lib/tokenizer';

const appended = 'whose template does not append the end token';

export const mutants = [
  {
    name: 'a missing end token is not appended',
    text: 'addon.openTokenizer(file, vocabulary, endToken)',
    replacement: "addon.openTokenizer(file, vocabulary, '')",
    tests: appended,
  },
  {
    name: 'the warning about a missing end token is repeated',
    text: 'warned.add(file);',
    replacement: '',
    tests: appended,
  },
  {
    name: 'a file whose template appends the end token is warned about',
    text: 'if (appendsEndToken && !warned',
    replacement: 'if (!appendsEndToken && !warned',
    tests: appended,
  },
  {
    name: 'a closed tokenizer keeps its memory',
    text: 'addon.closeTokenizer(this.number);',
    replacement: '',
    suite: 'embedder/embedder',
    tests: 'frees the tokenizer',
  },
];
