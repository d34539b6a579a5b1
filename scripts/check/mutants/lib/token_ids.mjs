export const file = 'lib/text/token_ids.ts';
export const suite = 'lib/tokenizer';

const slices = 'are converted in slices, each';
const tooLong = 'are truncated at their end, except for the last one';

export const mutants = [
  {
    name: 'all texts are converted at once',
    text: 'const sliceSize = 16_384;',
    replacement: 'const sliceSize = 2 ** 40;',
    tests: slices,
  },
  {
    name: 'a slice has any number of inputs',
    text: 'slice.length < sliceInputs && ',
    replacement: '',
    tests: slices,
  },
  {
    name: 'no turn of the event loop between slices',
    text: 'if (first > 0) await yieldToEventLoop();',
    replacement: '',
    tests: slices,
  },
  {
    name: 'the size of a slice ignores the prefix',
    text: 'size += whole.length;',
    replacement: 'size += input.length;',
    tests: 'whose size counts the prefix',
  },
  {
    name: 'a text of exactly the limit is too long',
    text: 'length <= maxPositions || ',
    replacement: 'length < maxPositions || ',
    tests: tooLong,
  },
  {
    name: 'a long text is always truncated',
    text: "length <= maxPositions || request.truncate === 'end'",
    replacement: 'length >= 0',
    tests: tooLong,
  },
  {
    name: 'a truncated text loses its last token',
    text: 'ids[end - 1] = tokens[tokens.length - 1] as number;',
    replacement: 'ids[end - 1] = tokens[end - 1 - begin] as number;',
    tests: tooLong,
  },
  {
    name: 'a text that is too long is named by its place in the slice',
    text: '`${inputs.name(first + offset)} has ${length} tokens',
    replacement: '`${inputs.name(offset)} has ${length} tokens',
    tests: 'that are invalid are named by their place',
  },
  {
    name: 'an input is named by its place in the slice',
    text: 'const name = inputs.name(first + offset);',
    replacement: 'const name = inputs.name(offset);',
    tests: 'that are invalid are named by their place',
  },
  {
    name: 'texts among token ids get the ids of other texts',
    text: 'encoded[next++]',
    replacement: 'encoded[Math.min(offset, encoded.length - 1)]',
    tests: 'stay in order over many slices',
  },
  {
    name: 'a cancelled call is converted to its end',
    text: 'cancellation.throwIfCancelled();',
    replacement: '',
    tests: 'are not computed further once the call is cancelled',
  },
  {
    name: 'the first id after the vocabulary is accepted from the caller',
    text: 'ids.findIndex((id) => id >= vocabulary)',
    replacement: 'ids.findIndex((id) => id > vocabulary)',
    tests: 'outside of the vocabulary',
  },
  {
    name: 'the first id after the vocabulary is accepted from the tokenizer',
    text: 'tokens.find((id) => id >= vocabulary)',
    replacement: 'tokens.find((id) => id > vocabulary)',
    tests: 'outside of the vocabulary',
  },
  {
    name: 'token ids of the caller are not checked',
    text: 'refuseUnknown(input, name, vocabulary);',
    replacement: '',
    tests: 'outside of the vocabulary',
  },
  {
    name: 'token ids with a prompt are embedded as text',
    text: "if (prefix && typeof input !== 'string') {",
    replacement: "if (prefix && typeof input !== 'string' && input.length > 99) {",
    tests: 'have no prefix',
  },
  {
    name: 'the prefix is lost',
    text: 'prefix ? `${prefix.text}${input}` : input',
    replacement: 'input',
    tests: 'equal those of sentence-transformers',
  },
  {
    name: 'the end token counts as a special token of the text',
    text: 'tokens.slice(0, -1).find(',
    replacement: 'tokens.find(',
    suite: 'embedder/embedder',
    tests: 'parses special tokens in a text, reads them as text, or rejects them',
  },
  {
    name: 'special tokens are never refused',
    text: "request.specialTokens === 'error' ? tokenizer?.specialTokens : undefined",
    replacement: 'undefined as ReadonlyMap<number, string> | undefined',
    suite: 'embedder/embedder',
    tests: 'parses special tokens in a text, reads them as text, or rejects them',
  },
  {
    name: 'special tokens are never read as text',
    text: "request.specialTokens === 'text'",
    replacement: 'false',
    suite: 'embedder/embedder',
    tests: 'parses special tokens in a text, reads them as text, or rejects them',
  },
];
