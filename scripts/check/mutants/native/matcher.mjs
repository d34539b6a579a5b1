export const file = 'native/tokenizer/added_tokens/matcher.cc';
export const suite = 'native_tests';

const leftmost = 'matcher: the leftmost longest are found';

export const mutants = [
  {
    name: 'a shorter pattern that begins at the same place is not found',
    text: 'nodes_[to].pattern = nodes_[nodes_[to].fallback].pattern;',
    replacement: ';',
    tests: leftmost,
  },
  {
    name: 'the shorter of two patterns is found',
    text: 'if (nodes_[to].pattern == IntegerMap::kNone)\n',
    replacement: 'if (nodes_[nodes_[to].fallback].pattern != IntegerMap::kNone)\n',
    tests: leftmost,
  },
  {
    name: 'the search begins anew after a unit that does not fit',
    text: 'node = nodes_[node].fallback;\n      to = next(node, text[at]);',
    replacement: 'node = 0;\n      to = next(node, text[at]);',
    tests: leftmost,
  },
  {
    name: 'fallbacks are as in the order of the patterns',
    text: 'std::stable_sort(edges.begin(), edges.end(),',
    replacement: 'if (false) std::stable_sort(edges.begin(), edges.end(),',
    tests: leftmost,
  },
  {
    name: 'fallbacks are not longer than a unit',
    text: 'uint32_t node = nodes_[from].fallback;',
    replacement: 'uint32_t node = 0;',
    tests: leftmost,
  },
  {
    name: 'matches overlap',
    text: 'if (match.from < end) return true;',
    replacement: '',
    tests: leftmost,
  },
  {
    name: 'a match ends before the next one may begin',
    text: 'match.from < end)',
    replacement: 'match.from <= end && end > 0)',
    tests: leftmost,
  },
];
