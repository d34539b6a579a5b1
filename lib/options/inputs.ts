// Inputs of embed and countTokens: type and checks.

import { types } from 'node:util';
import { wrongType } from './checks';

/** A text, or token ids, to which neither a prompt nor an end token is added. */
export type Input = string | Uint32Array;

/**
 * Checks the inputs and copies them, so that later changes by the caller have no effect. A single
 * input results in an array of one. Throws a `TypeError` or a `RangeError`.
 */
export function checkInputs(input: unknown): readonly Input[] {
  const inputs = Array.isArray(input) ? input : [input];
  return Array.from(inputs, (item: unknown, index) => {
    if (typeof item === 'string') return item;
    const name = Array.isArray(input) ? `input[${index}]` : 'input';
    if (!types.isUint32Array(item))
      throw wrongType(name, 'a string or a Uint32Array of token ids', item);
    if (item.length === 0)
      throw new RangeError(`${name} contains no token ids: a vector needs at least one.`);
    return new Uint32Array(item);
  });
}
