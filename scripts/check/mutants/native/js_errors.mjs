export const file = 'native/addon/js_errors.cc';
export const suite = 'embedder/embedder';

export const mutants = [
  {
    name: 'an error has no code',
    text: '  error.Set("code", to_string(code));\n',
    replacement: '',
    tests: 'rejects files that are truncated after their headers were read',
  },
  {
    name: 'an invalid argument is a failure of the device',
    text: '    return Napi::RangeError::New(env, error.what()).Value();\n',
    replacement: '    return to_js(env, ErrorCode::device_failed, error.what());\n',
    suite: 'embedder/native_calls',
    tests: 'load refuses an unknown precision',
  },
];
