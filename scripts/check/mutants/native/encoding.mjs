export const file = 'native/tokenizer/encoding.cc';
export const suite = 'native_tests';

const stages = 'encoding: stages follow each other';
const control = 'encoding: control tokens have three readings';
const limits = 'encoding: limits give the first ids';
const bounded = 'encoding: a step is bounded';

export const mutants = [
  {
    name: 'a step has no end',
    text: 'bytes < kStepBytes && !done();',
    replacement: '!done();',
    tests: bounded,
  },
  {
    name: 'a step has any number of added tokens',
    text: `      begin(*section);
      ++bytes;`,
    replacement: '      begin(*section);',
    tests: bounded,
  },
  {
    name: 'a step has any number of windows of a long word',
    text: 'bytes += kStepBytes;',
    replacement: '',
    tests: bounded,
  },
  {
    name: 'lone surrogates stay',
    text: '  replace_lone_surrogates(text_);\n',
    replacement: '',
    tests: 'encoding: lone surrogates are replaced',
  },
  {
    name: 'texts are not normalized',
    text: 'if (!is_normalized(normalized_)) {',
    replacement: 'if (false) {',
    tests: stages,
  },
  {
    name: 'the text before is normalized once more',
    text: 'composed_.clear();',
    replacement: '',
    tests: stages,
  },
  {
    name: 'control tokens are parsed if they are to be text',
    text: 'options_.control_tokens == ControlTokens::as_text ? parts_.without_control : parts_.all',
    replacement: 'parts_.all',
    tests: control,
  },
  {
    name: 'all added tokens are refused',
    text: 'options_.control_tokens == ControlTokens::refuse && is_control(token)',
    replacement: 'options_.control_tokens == ControlTokens::refuse',
    tests: control,
  },
  {
    name: 'an id that the model does not have is given',
    text: 'refuses || token.id >= parts_.rows',
    replacement: 'refuses',
    tests: 'encoding: ids that the model does not have are refused',
  },
  {
    name: 'there may be more ids than asked for',
    text: 'std::min(word.size(), options_.max_ids - count)',
    replacement: 'word.size()',
    tests: limits,
  },
  {
    name: 'ids are kept that only are counted',
    text: '  if (options_.keep_ids)\n',
    replacement: '',
    tests: limits,
  },
  {
    name: 'a long word is read for ids that words before it have',
    text: 'std::move(word_), options_.max_ids - count)',
    replacement: 'std::move(word_), options_.max_ids)',
    tests: 'encoding: a long word is read up to its last id',
  },
  {
    name: 'a long word is encoded in windows if merges have no order',
    text: ' && parts_.bpe.is_ordered())',
    replacement: ')',
    tests: 'encoding: long words have the same ids',
  },
];
