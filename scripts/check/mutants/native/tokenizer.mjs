export const file = 'native/tokenizer/tokenizer.cc';
export const suite = 'native_tests';

const end = 'tokenizer file: an end token is appended if the template adds nothing';

export const mutants = [
  {
    name: 'any number of added tokens is accepted',
    text: '  refuse_many(file.added);\n',
    replacement: '',
    tests: 'tokenizer file: many added tokens',
  },
  {
    name: 'an end token is appended to a template that adds tokens',
    text: 'file.before.empty() && file.after.empty() && ',
    replacement: '',
    tests: end,
  },
  {
    name: 'a template that adds tokens before the text adds nothing',
    text: 'file.before.empty() && ',
    replacement: '',
    tests: end,
  },
  {
    name: 'the end token is looked up in the vocabulary only',
    text: 'if (each.content == token) return each.id;',
    replacement: '',
    tests: end,
  },
  {
    name: 'the template has an id that the model does not have',
    text: 'if (id >= rows)',
    replacement: 'if (id > rows)',
    tests: 'tokenizer file: templates that are refused',
  },
  {
    name: 'nobody learns that the end token is appended',
    text: 'parts->appends_end_token = appends;',
    replacement: '',
    tests: end,
  },
  {
    name: 'a missing end token is no error',
    text: 'if (id == TokenTable::kNone)',
    replacement: 'if (false)',
    tests: end,
  },
];
