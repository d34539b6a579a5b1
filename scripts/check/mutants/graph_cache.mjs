export const file = 'graph_cache.h';

const failures = 'survives the failure';

export const faults = [
  {
    name: 'a graph cut short is launched',
    text: 'entry.has_graph = !launched && !captured;',
    replacement: 'entry.has_graph = !captured;',
    tests: failures,
  },
  {
    name: 'no graph, no vectors',
    text: 'return launches.launch_on(stream) ? failure : nullptr;',
    replacement: 'return failure;',
    tests: 'graphs are no need',
  },
  {
    name: 'graphs never destroyed',
    text: 'if (entry.has_graph) destroy_graph(entry.graph);',
    replacement: '',
    tests: failures,
  },
  {
    name: 'the list used last goes first',
    text: 'last_used < oldest->last_used',
    replacement: 'last_used > oldest->last_used',
    tests: 'cuda: graphs are bounded and in order',
  },
  {
    name: 'no list is found again',
    text: '? ++uses_ : 0',
    replacement: '? 0 : 0',
    tests: 'cuda: short batches are replayed',
  },
];
