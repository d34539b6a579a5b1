// Pseudo-random numbers for tests and scripts. CommonJS with types in comments, because
// scripts/check/tokenizer.mjs uses them too.

/**
 * Numbers from 0 to 1 that depend only on the seed.
 *
 * @param {number} seed
 * @returns {() => number}
 */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What is drawn from a sequence of random numbers. */
class Draw {
  /** @param {() => number} random */
  constructor(random) {
    this.random = random;
  }

  /**
   * An integer from 0 to `limit` - 1.
   *
   * @param {number} limit
   */
  below(limit) {
    return Math.floor(this.random() * limit);
  }

  /** @param {number} probability */
  chance(probability) {
    return this.random() < probability;
  }

  /**
   * @template T
   * @param {ArrayLike<T>} list Not empty.
   * @returns {T}
   */
  pick(list) {
    return /** @type {T} */ (list[this.below(list.length)]);
  }

  /**
   * An integer from `least` to `most` whose logarithm is distributed evenly.
   *
   * @param {number} least
   * @param {number} most
   */
  size(least, most) {
    return Math.floor(least * (most / least) ** this.random());
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T[]}
   */
  shuffled(list) {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const other = this.below(i + 1);
      [result[i], result[other]] = [/** @type {T} */ (result[other]), /** @type {T} */ (result[i])];
    }
    return result;
  }
}

module.exports = { Draw, randomNumbers };
