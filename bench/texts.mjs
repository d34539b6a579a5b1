// The inputs of the benchmarks: random token ids, and plain text for measurements that include the
// tokenizer.

let state = 7;

function random() {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state >>> 8;
}

/**
 * `count` texts of `length` token ids that also a small vocabulary has. Every call returns new
 * ones.
 */
export function randomTexts(count, length) {
  return Array.from({ length: count }, () =>
    Uint32Array.from({ length }, () => 1000 + (random() % 15000)),
  );
}

const words =
  'the program reads a file and writes every line that matches to standard output ' +
  'or an error when nothing was found';

/**
 * `count` random English words, each one token of Qwen3's tokenizer. Every call returns a new text.
 */
export function randomProse(count) {
  const vocabulary = words.split(' ');
  return Array.from({ length: count }, () => vocabulary[random() % vocabulary.length]).join(' ');
}
