// What a call embeds or counts.

import { types } from 'node:util';
import { wrongType } from './checks';

/** Texts, or token ids that are taken as they are, with nothing put before or after them. */
export type Input = string | Uint32Array;

/** Checks the inputs and copies them: what the caller does to the array afterwards changes nothing. */
export function checkInputs(input: unknown): readonly Input[] {
  const inputs = Array.isArray(input) ? input : [input];
  return Array.from(inputs, (item: unknown, index) => {
    if (typeof item === 'string') return item;
    const name = Array.isArray(input) ? `input[${index}]` : 'input';
    if (!types.isUint32Array(item))
      throw wrongType(name, 'a string or a Uint32Array of token ids', item);
    if (item.length === 0)
      throw new RangeError(`${name} holds no token ids: a vector needs at least one.`);
    return new Uint32Array(item);
  });
}
