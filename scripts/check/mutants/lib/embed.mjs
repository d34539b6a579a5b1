export const file = 'lib/options/embed.ts';
export const suite = 'lib/options';

const tests = 'embed options';

export const mutants = [
  {
    name: 'vectors may have one value',
    text: 'const minDimensions = 32;',
    replacement: 'const minDimensions = 1;',
    tests,
  },
  {
    name: 'vectors have at least 33 values',
    text: 'const minDimensions = 32;',
    replacement: 'const minDimensions = 33;',
    tests,
  },
  {
    name: 'vectors may be wider than the model',
    text: "checkInteger('dimensions', dimensions, minDimensions, width)",
    replacement: "checkInteger('dimensions', dimensions, minDimensions, 65_536)",
    tests,
  },
  {
    name: 'countTokens accepts the options of embed',
    text: 'checkNames(options, countOptions)',
    replacement: 'checkNames(options, embedOptions)',
    tests: 'of countTokens are only those',
  },
  {
    name: 'special tokens are read as text unless asked otherwise',
    text: "const { specialTokens = 'parse', signal } = given;",
    replacement: "const { specialTokens = 'text', signal } = given;",
    tests,
  },
  {
    name: 'long texts are truncated unless asked otherwise',
    text: "truncate = 'error', ...given",
    replacement: "truncate = 'end', ...given",
    tests,
  },
  {
    name: 'the signal is lost',
    text: 'signal: checkSignal(signal),',
    replacement: 'signal: checkSignal(signal) && undefined,',
    suite: 'embedder/abort_signals',
    tests: 'a call with an aborted signal does no work',
  },
];
