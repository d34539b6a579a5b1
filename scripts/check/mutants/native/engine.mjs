export const file = 'native/engine/engine.cc';
export const suite = 'native_tests';

const failures = 'engine: failures affect their own calls only';
const stops = 'engine: stops with work queued';
const neverFinishes = 'engine: a cancelled call never finishes';
const memory = 'engine: only long texts leave no memory allocated';
const anyMoment = 'engine: cancelling is safe at any moment';

export const mutants = [
  {
    name: 'a request fails once for each of its texts',
    text: 'if (request.error || request.cancelled',
    replacement: 'if (request.cancelled',
    tests: failures,
  },
  {
    name: 'a cancelled request fails',
    text: 'if (request.error || request.cancelled ||',
    replacement: 'if (request.error ||',
    tests: neverFinishes,
  },
  {
    name: 'a model is shared after its device failed',
    text: '  loaded.failed = true;\n',
    replacement: '',
    tests: failures,
  },
  {
    name: 'queued requests never finish when the engine stops',
    text: 'fail(*request, Error(ErrorCode::closed',
    replacement: 'if (0) fail(*request, Error(ErrorCode::closed',
    tests: stops,
  },
  {
    name: 'the engine keeps the last request alive',
    text: '    texts.clear();\n',
    replacement: '',
    tests: 'engine: holds no request after its batch',
  },
  {
    name: 'only the last text decides whether a batch is invariant',
    text: 'invariant |= text',
    replacement: 'invariant = text',
    tests: 'engine: one invariant call makes its batch invariant',
  },
  {
    name: 'the number of threads is not limited',
    text: '    model.backend->limit_threads(texts[0].request->threads);\n',
    replacement: '',
    tests: 'engine: a call limits the threads',
  },
  {
    name: 'a cancelled call stops the batch of others',
    text: 'std::any_of',
    replacement: 'std::all_of',
    tests: anyMoment,
  },
  {
    name: 'a batch that nobody waits for runs to its end',
    text: 'return !text.request->cancelled; });',
    replacement: 'return true; });',
    tests: 'engine: a batch that nobody waits for ends',
  },
  {
    name: 'a long text leaves its memory allocated',
    text: 'loaded.workspace->shrink();',
    replacement: ';',
    tests: memory,
  },
  {
    name: 'every batch frees its memory',
    text: 'if (tokens > texts[0].request->max_batch_tokens) loaded',
    replacement: 'loaded',
    tests: memory,
  },
  {
    name: 'vectors are written while their owner may free the memory',
    text: 'for (MemoryOwner* owner : owners) locks',
    replacement: 'if (0) for (MemoryOwner* owner : owners) locks',
    tests: anyMoment,
  },
  {
    name: 'only one owner is locked',
    text: 'for (const Text& text : texts) owners',
    replacement: 'for (const Text& text : {texts[0]}) owners',
    tests: anyMoment,
  },
  {
    name: 'vectors are written after their owner is gone',
    text: '!request.owner->alive || ',
    replacement: '',
    tests: 'engine: cancelled calls are dropped',
  },
  {
    name: 'vectors of a cancelled call are written',
    text: '!request.owner->alive || request.cancelled',
    replacement: '!request.owner->alive',
    tests: anyMoment,
  },
  {
    name: 'a failure while vectors are written is no failure',
    text: `  sync_or_throw(loaded);
  last_pooled_`,
    replacement: '  last_pooled_',
    tests: failures,
  },
  {
    name: 'requests finish while their owner is locked',
    text: '  locks.clear();\n',
    replacement: '',
    tests: anyMoment,
  },
  {
    name: 'the index of a text without a vector is that in the batch',
    text: 'push_back(static_cast<uint32_t>(pooled[i]->index))',
    replacement: 'push_back(static_cast<uint32_t>(i))',
    tests: 'engine: non-finite texts are reported',
  },
  {
    name: 'a request finishes that another has cancelled when it finished',
    text: ' && !request.cancelled) request.finish',
    replacement: ') request.finish',
    tests: neverFinishes,
  },
];
