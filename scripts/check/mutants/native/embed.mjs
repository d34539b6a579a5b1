export const file = 'native/addon/embed.cc';
export const suite = 'embedder/native_calls';

const addTexts = 'addTexts refuses';
const unsubmitted = 'and submit refuse a call that has begun';
const counts = 'a call counts the vectors that others have yet to allocate';

export const mutants = [
  {
    name: 'a failed call resolves',
    text: 'if (request.error) throw Error(*request.error);',
    replacement: '',
    suite: 'embedder/cuda',
    tests: 'survives a device failure',
  },
  {
    name: 'small calls ask the system for its free memory',
    text: '  if (bytes < kLargeBytes) return;\n',
    replacement: '',
    suite: 'embedder/event_loop',
    tests: 'a call with a small result does not ask the system',
  },
  {
    name: 'vectors that other calls have yet to allocate do not count',
    text: 'if (work.request)\n',
    replacement: 'if (false)\n',
    tests: counts,
  },
  {
    name: 'vectors that other calls have allocated count twice',
    text: '(work.text_count - work.request->texts.size())',
    replacement: 'work.text_count',
    tests: counts,
  },
  {
    name: 'the memory that the collector takes does not count',
    text: 'bytes + std::min(bytes + others, kCollectorBytes)',
    replacement: 'bytes',
    tests: counts,
  },
  {
    name: 'less memory free than other calls need is much memory',
    text: 'available > others ? available - others : 0',
    replacement: 'available - others',
    tests: counts,
  },
  {
    name: 'more vectors than the memory holds are accepted',
    text: 'if (needed <= free) return;',
    replacement: 'return;',
    suite: 'embedder/embedder',
    tests: 'refuses more vectors than the memory holds',
  },
  {
    name: 'texts are added to a call that the engine computes',
    text: ' || found->second.submitted)',
    replacement: ')',
    tests: unsubmitted,
  },
  {
    name: 'texts are added to a load',
    text: ' || !found->second.request ||',
    replacement: ' ||',
    tests: unsubmitted,
  },
  {
    name: 'a call on a model that was unloaded',
    text: 'if (found == here.models.end()) throw',
    replacement: 'if (false) throw',
    tests: 'embed refuses a fraction, and a model that was unloaded',
  },
  {
    name: 'an empty text is accepted',
    text: 'length == 0 || length > config.max_positions',
    replacement: 'length > config.max_positions',
    tests: addTexts,
  },
  {
    name: 'a text is longer than the table of rotations',
    text: 'length == 0 || length > config.max_positions',
    replacement: 'length == 0',
    tests: addTexts,
  },
  {
    name: 'lengths run past the token ids',
    text: 'total != ids.size()',
    replacement: 'false',
    tests: addTexts,
  },
  {
    name: 'more texts than the call has',
    text: 'lengths.size() > call.text_count - call.request->texts.size()',
    replacement: 'false',
    tests: addTexts,
  },
  {
    name: 'a token id past the end of the embedding table',
    text: 'if (id >= config.vocabulary)',
    replacement: 'if (id > config.vocabulary)',
    tests: addTexts,
  },
  {
    name: 'vectors are garbage-collected before they are written',
    text: '  call.vectors.push_back(Napi::Persistent(vectors));\n',
    replacement: '',
    suite: 'embedder/embedder',
    tests: 'keeps the arrays that native code writes to',
  },
  {
    name: 'a call is submitted before all its texts are added',
    text: 'call.request->texts.size() != call.text_count',
    replacement: 'false',
    tests: unsubmitted,
  },
  {
    name: 'a call is submitted twice',
    text: '  call.submitted = true;\n',
    replacement: '',
    tests: unsubmitted,
  },
];
