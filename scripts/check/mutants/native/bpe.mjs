export const file = 'native/tokenizer/words/bpe.cc';
export const suite = 'native_tests';

const any = 'bpe: merges in any order';
const borders = 'bpe: borders';
const trained = 'bpe: merges as trained';

export const mutants = [
  {
    name: 'of equal merges the rightmost is first',
    text: 'rank != other.rank ? rank > other.rank : at > other.at',
    replacement: 'rank != other.rank ? rank > other.rank : at < other.at',
    tests: trained,
  },
  {
    name: 'a merge that is no longer possible is applied',
    text: 'if (rank(left.token, right.token) != found) continue;',
    replacement: 'if (rank(left.token, right.token) == IntegerMap::kNone) continue;',
    tests: any,
  },
  {
    name: 'the neighbor on the left is not looked at again',
    text: '    push(left.previous);\n',
    replacement: '',
    tests: trained,
  },
  {
    name: 'a token keeps the neighbor that was merged',
    text: 'if (left.next != kEnd) symbols[left.next].previous = at;',
    replacement: '',
    tests: trained,
  },
  {
    name: 'a scan does not look at the pair on the left again',
    text: 'if (at > 0) ranks[at - 1] = rank(tokens[at - 1], tokens[at]);',
    replacement: '',
    tests: trained,
  },
  {
    name: 'a token in the vocabulary is always whole',
    text: ' && origins_[whole].age != kNone)',
    replacement: ')',
    tests: 'bpe: merges with equal results',
  },
  {
    name: 'no merge crosses the border of two parts',
    text: 'if (crossed) return;',
    replacement: '',
    tests: 'bpe: orders that no trainer makes',
  },
  {
    name: 'of equal merges the one across the border is first',
    text: 'limit = l.age - 1;',
    replacement: 'limit = l.age;',
    tests: borders,
  },
  {
    name: 'of equal merges the one on the right is first',
    text: 'limit = r.age;',
    replacement: 'limit = r.age - 1;',
    tests: borders,
  },
  {
    name: 'the older token at a border is undone',
    text: 'if (l.age > r.age) {',
    replacement: 'if (r.age == 0 || (l.age != 0 && l.age < r.age)) {',
    tests: borders,
  },
  {
    name: 'of equal pairs the first merge counts in the order',
    text: 'if (rank(merges[i].left, merges[i].right) == i) visit(i, merges[i]);',
    replacement: 'visit(i, merges[i]);',
    tests: any,
  },
  {
    name: 'a merge may create a part of one before it',
    text: 'if (newest[merge.left] > i || newest[merge.right] > i) is_ordered_ = false;',
    replacement: '',
    tests: any,
  },
];
