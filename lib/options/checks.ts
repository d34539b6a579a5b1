// Shared checks of arguments. Each message states what is expected and what was passed.

import type { AbortSignalLike } from '../cancellation';
import { shorten, show, showItems } from '../show';

/** Options whose names have been checked and whose values have not. */
export type Given<Name extends string> = Readonly<Partial<Record<Name, unknown>>>;

/** For an argument of the wrong type. */
export function wrongType(name: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, not ${kindOf(value)}.`);
}

/** For a string that is not one of the argument's valid values. */
export function unknownValue(name: string, value: string, remedy: string): RangeError {
  return new RangeError(`${name} ${show(value)} is unknown: ${remedy}.`);
}

/** Throws a `TypeError` if an option is unknown; the message suggests the most similar one. */
export function checkNames<Name extends string>(
  options: unknown = {},
  known: readonly Name[],
): Given<Name> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw wrongType('options', 'an object', options);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name as Name)) continue;
    const word = shorten(name);
    const nearest = known.reduce((best, other) =>
      distance(word, other) < distance(word, best) ? other : best,
    );
    throw new TypeError(
      `Unknown option ${show(name)}: did you mean "${nearest}"? ` +
        `Known options: ${known.join(', ')}.`,
    );
  }
  return options as Given<Name>;
}

/** Levenshtein distance between two words, ignoring case. */
function distance(from: string, to: string): number {
  const a = from.toLowerCase();
  const b = to.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] as number) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

export function checkString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  return value;
}

export function checkOneOf<Value extends string>(
  name: string,
  value: unknown,
  values: readonly Value[],
): Value {
  const given = checkString(name, value);
  if (values.includes(given as Value)) return given as Value;
  throw unknownValue(name, given, `use ${showItems(values)}`);
}

export function checkInteger(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(`${name} is ${value}: it must be an integer from ${low} to ${high}.`);
}

export function checkSignal(signal: unknown): AbortSignalLike | undefined {
  const given = signal as Partial<AbortSignalLike> | null | undefined;
  if (given === undefined) return undefined;
  if (
    typeof given?.aborted === 'boolean' &&
    typeof given.addEventListener === 'function' &&
    typeof given.removeEventListener === 'function'
  )
    return given as AbortSignalLike;
  throw wrongType('signal', 'an AbortSignal', signal);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' ? shorten(name) : 'an object';
}
