export const file = 'native/tokenizer/file/byte_level.cc';
export const suite = 'native_tests';

const outside = 'tokenizer file: tokens outside of the alphabet';
const stages = 'encoding: stages follow each other';

export const mutants = [
  {
    name: 'the soft hyphen stands for itself',
    text: ' && byte != 0xAD',
    replacement: '',
    tests: stages,
  },
  {
    name: 'the no-break space stands for itself',
    text: 'byte >= 0xA1',
    replacement: 'byte >= 0xA0',
    tests: stages,
  },
  {
    name: 'the delete character stands for itself',
    text: "byte <= '~'",
    replacement: "byte <= '~' + 1",
    tests: stages,
  },
  {
    name: 'other characters of two bytes are of the alphabet',
    text: 'c >= kCharacters || ',
    replacement: 'c >= kCharacters ? (c = 0x41, false) : ',
    tests: outside,
  },
  {
    name: 'characters without a byte are of the alphabet',
    text: ' || kBytes[c] == kNotInAlphabet)',
    replacement: ')',
    tests: outside,
  },
  {
    name: 'characters of three bytes are of the alphabet',
    text: 'if (c >= 0xE0) return std::nullopt;',
    replacement: 'if (c >= 0xE0) c = 0x41, at += 2;',
    tests: outside,
  },
];
