export const file = 'cuda/graph_cache.h';
export const suite = 'emulator_tests';

const failures = 'survives the failure';

export const mutants = [
  {
    name: 'an incomplete graph is launched',
    text: 'entry.has_graph = !launched && !captured;',
    replacement: 'entry.has_graph = !captured;',
    tests: 'cuda: survives any call that fails once',
  },
  {
    name: 'a failed capture fails the batch',
    text: 'return launches.launch_on(stream) ? failure : nullptr;',
    replacement: 'return failure;',
    tests: 'cuda: works without graphs',
  },
  {
    name: 'graphs are never destroyed',
    text: 'if (entry.has_graph) destroy_graph(entry.graph);',
    replacement: '',
    tests: failures,
  },
  {
    name: 'the most recently used list is evicted first',
    text: 'last_used < oldest->last_used',
    replacement: 'last_used > oldest->last_used',
    tests: 'cuda: graphs are bounded and in order',
  },
  {
    name: 'no list is found in the cache',
    text: '? ++uses_ : 0',
    replacement: '? 0 : 0',
    tests: 'cuda: short batches run as graphs',
  },
];
