export const file = 'native/tokenizer/words/split.cc';
export const suite = 'native_tests';

const table = 'split: as the pattern says';
const random = 'split: random texts';

export const mutants = [
  {
    name: 'contractions are in small letters only',
    text: 'static_cast<char16_t>(text[at] | 0x20)',
    replacement: 'text[at]',
    tests: table,
  },
  {
    name: 'a long s ends no contraction',
    text: "if (text[at] == u'\\u017f') return u's';",
    replacement: '',
    tests: table,
  },
  {
    name: 'a line end stands before letters',
    text: ' && !is_line_end(text[from]))',
    replacement: ')',
    tests: table,
  },
  {
    name: 'numbers are one word',
    text: 'if (first == CharClass::number) return next;',
    replacement: 'if (first == CharClass::number) return run_end(text, next, CharClass::number);',
    tests: table,
  },
  {
    name: 'any white space stands before other characters',
    text: "(text[from] == u' ' && second == CharClass::other)",
    replacement: '(second == CharClass::other)',
    tests: table,
  },
  {
    name: 'one line end follows other characters',
    text: 'while (end < text.size() && is_line_end(text[end])) ++end;',
    replacement: 'if (end < text.size() && is_line_end(text[end])) ++end;',
    tests: table,
  },
  {
    name: 'white space ends after its first line end',
    text: 'for (size_t at = end; at > from; --at) {',
    replacement: 'for (size_t at = from + 1; at <= end; ++at) {',
    tests: table,
  },
  {
    name: 'the last white space of a text is a word of its own',
    text: 'end == text.size() || end - from == 1',
    replacement: 'end - from == 1',
    tests: random,
  },
  {
    name: 'all white space is one word',
    text: 'end == text.size() || end - from == 1 ? end : end - 1',
    replacement: 'end',
    tests: random,
  },
];
