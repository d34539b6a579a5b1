// What the benchmarks embed: random token ids, and plain text for what measures the tokenizer too.

let state = 7;

function random() {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state >>> 8;
}

/** `count` texts of `length` token ids, other ones at every call, that even a small vocabulary has. */
export function randomTexts(count, length) {
  return Array.from({ length: count }, () =>
    Uint32Array.from({ length }, () => 1000 + (random() % 15000)),
  );
}

const words =
  'the program reads a file and writes every line that matches to standard output or an error when nothing was found';

/** Plain English of so many words, other ones at every call; Qwen3's tokenizer makes one token of each. */
export function randomProse(count) {
  const vocabulary = words.split(' ');
  return Array.from({ length: count }, () => vocabulary[random() % vocabulary.length]).join(' ');
}
