export const file = 'native/tokenizer/file/tokenizer_file.cc';
export const suite = 'native_tests';

const refused = 'tokenizer file: settings that are refused';
const once = 'tokenizer file: keys stand once';
const around = 'tokenizer file: the template gives ids around a text';
const templates = 'tokenizer file: templates that are refused';
const merges = 'tokenizer file: merges in both forms';

export const mutants = [
  {
    name: 'a key may stand twice',
    text: 'if (!keys_.emplace(key).second) invalid(quoted(key) + " is given twice");',
    replacement: 'keys_.emplace(key);',
    tests: once,
  },
  {
    name: 'two flags of added tokens are exchanged',
    text: '{"lstrip", &AddedToken::left_strip}',
    replacement: '{"lstrip", &AddedToken::right_strip}',
    tests: 'encoding: added tokens that strip and stand alone',
  },
  {
    name: 'a flag that is missing is false',
    text: 'if (!keys.has(flag.key))',
    replacement: 'if (false)',
    tests: refused,
  },
  {
    name: 'a line with the version is a merge',
    text: 'if (merge.starts_with("#version")) return;',
    replacement: '',
    tests: merges,
  },
  {
    name: 'a merge has three parts',
    text: 'if (count != 2)',
    replacement: 'if (count < 2)',
    tests: merges,
  },
  {
    name: 'dropout is ignored',
    text: 'key == "unk_token" || key == "dropout"',
    replacement: 'key == "unk_token"',
    tests: refused,
  },
  {
    name: 'an empty prefix is refused',
    text: '!json_.string(name).empty()',
    replacement: '(json_.string(name), true)',
    tests: 'tokenizer file: settings that are accepted',
  },
  {
    name: 'ignore_merges is ignored',
    text: ' || key == "ignore_merges"',
    replacement: '',
    tests: refused,
  },
  {
    name: 'use_regex is not used unless it is asked for',
    text: 'use_regex = true;',
    replacement: 'use_regex = false;',
    tests: refused,
  },
  {
    name: 'another pattern is accepted',
    text: 'split.pattern != kPattern',
    replacement: 'split.pattern.size() != kPattern.size()',
    tests: refused,
  },
  {
    name: 'a string is taken for a regular expression',
    text: 'component.is_regex = kind == "Regex";',
    replacement: 'component.is_regex = true;',
    tests: refused,
  },
  {
    name: 'invert is ignored',
    text: 'if (split.invert) refuse("has invert");',
    replacement: '',
    tests: refused,
  },
  {
    name: 'all tokens of the template stand after the text',
    text: 'has_text ? after : before',
    replacement: 'after',
    tests: around,
  },
  {
    name: 'a template may follow another one',
    text: 'has_template_ = component.single.size() > 1;',
    replacement: '',
    tests: around,
  },
  {
    name: 'a template needs no place for the text',
    text: 'if (!has_text) unsupported("its template has no place for the text");',
    replacement: '',
    tests: templates,
  },
  {
    name: 'a template adds any number of tokens',
    text: 'before.size() + after.size() > kMaxTemplate',
    replacement: 'after.size() > kMaxTemplate',
    tests: templates,
  },
  {
    name: 'text after the object is ignored',
    text: '  json_.end();\n',
    replacement: '',
    tests: refused,
  },
];
