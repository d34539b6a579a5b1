export const file = 'native/addon/addon.cc';
export const suite = 'embedder/native_calls';

const cancelled = 'a cancelled call resolves with undefined';

export const mutants = [
  {
    name: 'a cancelled call is computed',
    text: '    work->request->cancelled = true;\n',
    replacement: '',
    tests: cancelled,
  },
  {
    name: 'a cancelled load is not cancelled',
    text: '  if (work->job) work->job->cancelled = true;\n',
    replacement: '',
    tests: 'a cancelled load is not read',
  },
  {
    name: 'the promise of cancelled work never settles',
    text: '  work->promise.Resolve(here.env.Undefined());\n',
    replacement: '',
    tests: cancelled,
  },
  {
    name: 'unload is missing',
    text: '  exports.Set("unload", Napi::Function::New<guarded<Unload>>(env));\n',
    replacement: '',
    suite: 'embedder/embedder',
    tests: 'shares weights until the last embedder is closed',
  },
];
