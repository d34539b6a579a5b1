export const file = 'native/addon/arguments.cc';
export const suite = 'embedder/native_calls';

export const mutants = [
  {
    name: 'numbers may be too large',
    text: '!(n >= low && n <= high)',
    replacement: '!(n >= low)',
    tests: 'embed refuses',
  },
  {
    name: 'numbers may be too small, or no numbers',
    text: '!(n >= low && n <= high)',
    replacement: 'n > high',
    tests: 'embed refuses',
  },
  {
    name: 'fractions are cut off',
    text: 'n != std::floor(n)',
    replacement: 'false',
    tests: 'embed refuses a fraction',
  },
  {
    name: 'arrays of other types are read as if they were of the right one',
    text: '!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type',
    replacement: '!value.IsTypedArray()',
    tests: 'addTexts refuses',
  },
  {
    name: 'a vector is shorter than its dimensions',
    text: 'array.ElementLength() != length',
    replacement: 'false',
    tests: 'addTexts refuses a short vector',
  },
  {
    name: 'an unknown type of weights is f16',
    text: 'dtype != "f32" && dtype != "bf16" && dtype != "f16"',
    replacement: 'false',
    tests: 'load refuses a model source',
  },
  {
    name: 'heads of any size',
    text: 'config.head_dim != 128',
    replacement: 'false',
    tests: 'load refuses a model source',
  },
  {
    name: 'any number of key heads',
    text: 'config.query_heads % config.key_value_heads != 0',
    replacement: 'false',
    tests: 'load refuses a model source',
  },
];
