export const file = 'native/tokenizer/file/vocabulary.cc';
export const suite = 'native_tests';

const vocabulary = 'tokenizer file: ids of the vocabulary';
const added = 'tokenizer file: ids of added tokens';

export const mutants = [
  {
    name: 'an id may be the number of rows',
    text: 'if (id >= rows)',
    replacement: 'if (id > rows)',
    tests: vocabulary,
  },
  {
    name: 'a token outside of the alphabet may have the id of another one',
    text: 'others.emplace(token, id).second && other_ids.insert(id).second',
    replacement: 'others.emplace(token, id).second && (other_ids.insert(id), true)',
    tests: vocabulary,
  },
  {
    name: 'the ids in and outside of the alphabet may be equal',
    text: 'if (table.has(id)) invalid(',
    replacement: 'if (false) invalid(',
    tests: vocabulary,
  },
  {
    name: 'bytes may be missing',
    text: 'for (int byte = 0; byte < 256; ++byte) {',
    replacement: 'for (int byte = 128; byte < 256; ++byte) {',
    tests: vocabulary,
  },
  {
    name: 'a part of a merge may be missing',
    text: '    if (id == TokenTable::kNone)\n      invalid("a merge has',
    replacement: '    if (false)\n      invalid("a merge has',
    tests: 'tokenizer file: merges in both forms',
  },
  {
    name: 'an added token without text has an id',
    text: 'if (token.content.empty()) continue;',
    replacement: '',
    tests: added,
  },
  {
    name: 'an added token may be given twice',
    text: 'if (!contents.insert(token.content).second)',
    replacement: 'if (false)',
    tests: added,
  },
  {
    name: 'an added token has the next id even if it is in the vocabulary',
    text: 'known == TokenTable::kNone ? next++ : known',
    replacement: 'next++',
    tests: added,
  },
  {
    name: 'an added token may have any id',
    text: 'if (token.id != id)',
    replacement: 'if (false)',
    tests: added,
  },
  {
    name: 'an added token may have the id of another one',
    text: 'if (id != known && vocabulary.has(id))',
    replacement: 'if (false)',
    tests: added,
  },
];
