// Inputs of embed and countTokens: type and checks.

import { types } from 'node:util';
import { wrongType } from './checks';

/** A text, or token ids, to which neither a prompt nor an end token is added. */
export type Input = string | Uint32Array;

// V8 ends the process if it has no memory for the copy of the list, which takes 128 MB at most.
const maxInputs = 2 ** 24;

/**
 * The inputs of a call. The list is copied at once; each input is checked and copied when it is
 * taken, so that a call with a million inputs can do that in slices.
 */
export class Inputs {
  /** Whether the caller passed one input instead of an array. */
  readonly isSingle: boolean;
  readonly #list: unknown[];

  constructor(input: unknown) {
    this.isSingle = !Array.isArray(input);
    const list = Array.isArray(input) ? input : [input];
    if (list.length > maxInputs) {
      throw new RangeError(
        `input has ${list.length} elements: pass at most ${maxInputs} in one call.`,
      );
    }
    this.#list = Array.from(list);
  }

  get length(): number {
    return this.#list.length;
  }

  /** What messages call an input. */
  name(index: number): string {
    return this.isSingle ? 'input' : `input[${index}]`;
  }

  /**
   * Checks an input and returns a copy. Keeps no reference, so that the caller's memory can be
   * freed while the call waits. To be called once per input. Throws a `TypeError` or a
   * `RangeError`.
   */
  take(index: number): Input {
    const input = this.#list[index];
    this.#list[index] = undefined;
    if (typeof input === 'string') return input;
    if (!types.isUint32Array(input))
      throw wrongType(this.name(index), 'a string or a Uint32Array of token ids', input);
    if (input.length === 0)
      throw new RangeError(
        `${this.name(index)} contains no token ids: a vector needs at least one.`,
      );
    return new Uint32Array(input);
  }
}
