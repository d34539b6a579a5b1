export const file = 'native/tokenizer/added_tokens/token_finder.cc';
export const suite = 'native_tests';

const single = 'added tokens: a single word has no word beside it';
const strips = 'added tokens: strips take white space';
const overlap = 'added tokens: sections may overlap';
const normalized = 'added tokens: normalized ones are compared normalized';
const control = 'added tokens: control tokens are special or in brackets';

export const mutants = [
  {
    name: 'a single word is found in words',
    text: 'is_word_before(text_, from) || is_word_after(text_, to)',
    replacement: 'is_word_after(text_, to)',
    tests: single,
  },
  {
    name: 'half a character is looked at before a single word',
    text: 'if (is_low_surrogate(text[--at])) --at;',
    replacement: '--at;',
    tests: single,
  },
  {
    name: 'a token does not take the white space before it',
    text: 'while (from > done_ && is_space(text_[from - 1])) --from;',
    replacement: '',
    tests: strips,
  },
  {
    name: 'a token takes white space that the one before has taken',
    text: 'from = std::max(from, done_);',
    replacement: '',
    tests: overlap,
  },
  {
    name: 'white space that is taken already is looked at again',
    text: 'while (from > done_ && is_space',
    replacement: 'while (from > 0 && is_space',
    tests: 'added tokens: time is linear',
  },
  {
    name: 'the end of other white space is taken',
    text: 'space_end_ = std::max(space_end_, to);',
    replacement: 'if (space_end_ == 0) space_end_ = to;',
    tests: strips,
  },
  {
    name: 'white space is looked at for each token in it',
    text: 'space_end_ = std::max(space_end_, to);',
    replacement: 'space_end_ = to;',
    tests: 'added tokens: time is linear',
  },
  {
    name: 'a section is empty',
    text: 'if (from < to) return',
    replacement: 'return',
    tests: overlap,
  },
  {
    name: 'tokens are compared as they are written',
    text: '    if (normalized) {\n',
    replacement: '    if (false) {\n',
    tests: normalized,
  },
  {
    name: 'equal tokens are accepted',
    text: '!distinct.insert(pattern).second',
    replacement: 'false && !distinct.insert(pattern).second',
    tests: normalized,
  },
  {
    name: 'tokens of both stages are found in each',
    text: 'token.normalized == normalized && ',
    replacement: '',
    tests: normalized,
  },
  {
    name: 'any bracket makes a control token',
    text: "token.content.starts_with('<') && token.content.ends_with('>')",
    replacement: "token.content.starts_with('<') || token.content.ends_with('>')",
    tests: control,
  },
  {
    name: 'control tokens are always found',
    text: 'with_control || !is_control(token)',
    replacement: 'true',
    tests: control,
  },
];
