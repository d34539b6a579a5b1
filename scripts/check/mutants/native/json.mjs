export const file = 'native/tokenizer/file/json.cc';
export const suite = 'native_tests';

const errors = 'json: errors say what is wrong and where';
const integers = 'json: integers are exact';
const utf8 = 'json: only UTF-8 is accepted';

export const mutants = [
  {
    name: 'overlong sequences of three bytes are accepted',
    text: 'lead == 0xE0 ? 0xA0 : 0x80',
    replacement: '0x80',
    tests: utf8,
  },
  {
    name: 'encoded surrogates are accepted',
    text: 'lead == 0xED ? 0x9F : 0xBF',
    replacement: '0xBF',
    tests: utf8,
  },
  {
    name: 'code points above U+10FFFF are accepted',
    text: 'lead == 0xF4 ? 0x8F : 0xBF',
    replacement: '0xBF',
    tests: utf8,
  },
  {
    name: 'a comma may follow the last value',
    text: `  if (peek() == close) fail("a value is missing");\n`,
    replacement: '  if (peek() == close) return ++at_, false;\n',
    tests: errors,
  },
  {
    name: 'numbers may begin with zeros',
    text: "if (at_ < text_.size() && text_[at_] == '0')\n    ++at_;\n  else\n    digits();",
    replacement: 'digits();',
    tests: errors,
  },
  {
    name: 'an integer of 33 bits is accepted',
    text: 'if (value > UINT32_MAX)\n',
    replacement: 'if (value > 2 * uint64_t{UINT32_MAX})\n',
    tests: integers,
  },
  {
    name: 'an integer past 64 bits wraps around',
    text: 'is_digit(c) && value <= UINT32_MAX ?',
    replacement: 'is_digit(c) ?',
    tests: integers,
  },
  {
    name: 'the halves of a surrogate pair are two characters',
    text: 'code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);',
    replacement: 'append_utf8(code, unescaped_), code = low;',
    tests: 'json: strings are unescaped',
  },
  {
    name: 'the second half of a surrogate pair stands alone',
    text: 'if (code >= 0xD800 && code <= 0xDFFF) fail',
    replacement: 'if (code >= 0xD800 && code <= 0xDBFF) fail',
    tests: errors,
  },
  {
    name: 'a string keeps the characters of the one before',
    text: 'if (!copied) unescaped_.clear();',
    replacement: '',
    tests: 'json: strings are unescaped',
  },
  {
    name: 'control characters may stand in strings',
    text: 'if (static_cast<uint8_t>(c) < 0x20) fail("a control character in a string");',
    replacement: '',
    tests: errors,
  },
  {
    name: 'any depth is accepted',
    text: '++depth_ > kMaxDepth',
    replacement: 'false',
    tests: 'json: depth is limited',
  },
  {
    name: 'a zero byte ends the text',
    text: "peek() != '\\0' || at_ < text_.size()",
    replacement: "peek() != '\\0'",
    tests: errors,
  },
];
