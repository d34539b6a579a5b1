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
    text: 'size += input.length + (prefix?.text.length ?? 0);',
    replacement: 'size += input.length;',
    tests: 'whose size counts the prefix',
  },
  {
    name: 'an input of exactly the limit is too long',
    text: 'if (length <= maxTokens) return',
    replacement: 'if (length < maxTokens) return',
    tests: tooLong,
  },
  {
    name: 'long token ids are always truncated',
    text: 'if (truncate && !isText)',
    replacement: 'if (!isText)',
    tests: tooLong,
  },
  {
    name: 'a text for which the template leaves no room is truncated',
    text: 'if (truncate && !isText)',
    replacement: 'if (truncate)',
    tests: 'with a template on both sides',
  },
  {
    name: 'a text that is too long is reported with a length that is not its own',
    text: 'isText ? `more than ${maxTokens}` : length',
    replacement: 'length',
    tests: 'that are invalid are named by their place',
  },
  {
    name: 'truncated token ids lose their last one',
    text: 'ids[end - 1] = own[own.length - 1] as number;',
    replacement: '',
    tests: tooLong,
  },
  {
    name: 'texts are never truncated',
    text: "const truncate = request.truncate === 'end';",
    replacement: 'const truncate = false;',
    tests: 'keeps the end token when it truncates',
  },
  {
    name: 'an input is named by its place in the slice',
    text: 'const name = inputs.name(first + offset);',
    replacement: 'const name = inputs.name(offset);',
    tests: 'that are invalid are named by their place',
  },
  {
    name: 'texts among token ids get the lengths of other texts',
    text: 'lengths[nextText++]',
    replacement: 'lengths[Math.min(offset, lengths.length - 1)]',
    tests: 'stay in order over many slices',
  },
  {
    name: 'texts get the ids of the first one',
    text: 'ids.subarray(end - length, end)',
    replacement: 'ids.subarray(0, length)',
    tests: 'stay in order over many slices',
  },
  {
    name: 'a cancelled call is converted to its end',
    text: 'cancellation.throwIfCancelled();',
    replacement: '',
    tests: 'are not computed further once a call with token ids is cancelled',
  },
  {
    name: 'the first id after the vocabulary is accepted from the caller',
    text: 'ids.findIndex((id) => id >= vocabulary)',
    replacement: 'ids.findIndex((id) => id > vocabulary)',
    tests: 'outside of the vocabulary',
  },
  {
    name: 'an id of the tokenizer outside of the vocabulary is called a special token',
    text: 'if (id >= vocabulary) {',
    replacement: 'if (id > vocabulary) {',
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
    text: "request.prefix?.text ?? ''",
    replacement: "''",
    tests: 'equal those of sentence-transformers',
  },
  {
    name: 'special tokens are always parsed',
    text: 'specialTokens: request.specialTokens }',
    replacement: "specialTokens: 'parse' as const }",
    suite: 'embedder/embedder',
    tests: 'parses special tokens in a text, reads them as text, or rejects them',
  },
  {
    name: 'a long special token makes a long message',
    text: 'const token = shorten(content);',
    replacement: 'const token = content;',
    tests: 'with a long special token',
  },
  {
    name: 'counts stop at a limit',
    text: 'maxTokens: unlimited,',
    replacement: 'maxTokens: 100,',
    tests: 'equal those of sentence-transformers',
  },
];
