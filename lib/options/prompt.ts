// What stands before a text: the caller's instruction, or a prompt that the model names.

import { checkString, type Given, unknownValue } from './checks';
import type { Input } from './inputs';

/** The prefix of every input, empty where neither is given. Throws a `TypeError` or a `RangeError`. */
export function prefixOf(
  options: Given<'instruction' | 'prompt'>,
  inputs: readonly Input[],
  prompts: ReadonlyMap<string, string>,
): string {
  const instruction = checkPrompt('instruction', options.instruction, inputs);
  const prompt = checkPrompt('prompt', options.prompt, inputs);
  if (instruction !== undefined && prompt !== undefined) {
    throw new TypeError(
      'instruction and prompt exclude each other: a prompt is an instruction that the model names.',
    );
  }
  // No space after the colon: https://huggingface.co/Qwen/Qwen3-Embedding-0.6B (get_detailed_instruct).
  if (instruction !== undefined) return `Instruct: ${instruction}\nQuery:`;
  if (prompt === undefined) return '';
  const text = prompts.get(prompt);
  if (text !== undefined) return text;
  const known = [...prompts.keys()].map((name) => `"${name}"`).join(', ') || 'none';
  throw unknownValue('prompt', prompt, `this model has ${known}. Or use instruction`);
}

function checkPrompt(name: string, value: unknown, inputs: readonly Input[]): string | undefined {
  if (value === undefined) return undefined;
  const text = checkString(name, value);
  if (inputs.every((input) => typeof input === 'string')) return text;
  throw new TypeError(`${name} goes before a text: it cannot be put before token ids.`);
}
