export const file = 'native/addon/environment.cc';
export const suite = 'embedder/lifetime';

export const mutants = [
  {
    name: 'a process ends before its calls have settled',
    text: '  if (pending.empty()) napi_ref_threadsafe_function(env, link->wake);\n',
    replacement: '',
    tests: 'a process ends when its calls have settled',
  },
  {
    name: 'a process does not end after its calls have settled',
    text: '  if (pending.empty()) napi_unref_threadsafe_function(env, link->wake);\n',
    replacement: '',
    tests: 'a process ends when its calls have settled',
  },
  {
    name: 'the addon keeps the process alive before any work',
    text: '  napi_unref_threadsafe_function(env, link->wake);\n',
    replacement: '',
    tests: 'a process that only imports the package ends',
  },
  {
    name: 'the work of a worker that ended is computed',
    text: '    if (work.request) work.request->cancelled = true;\n',
    replacement: '',
    tests: 'work of a worker that has ended is dropped',
  },
];
