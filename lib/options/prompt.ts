// The prefix of texts: the caller's instruction, or one of the model's prompts.

import { checkString, type Given, unknownValue } from './checks';
import type { Input } from './inputs';

/** The prefix of every input, empty if neither option is set. Throws TypeError or RangeError. */
export function prefixOf(
  options: Given<'instruction' | 'prompt'>,
  inputs: readonly Input[],
  prompts: ReadonlyMap<string, string>,
): string {
  const instruction = checkPrompt('instruction', options.instruction, inputs);
  const prompt = checkPrompt('prompt', options.prompt, inputs);
  if (instruction !== undefined && prompt !== undefined) {
    throw new TypeError(
      'instruction and prompt are mutually exclusive: a prompt is an instruction of the model.',
    );
  }
  // No space after the last colon, as in get_detailed_instruct:
  // https://huggingface.co/Qwen/Qwen3-Embedding-0.6B
  if (instruction !== undefined) return `Instruct: ${instruction}\nQuery:`;
  if (prompt === undefined) return '';
  const text = prompts.get(prompt);
  if (text !== undefined) return text;
  const known = [...prompts.keys()].map((name) => `"${name}"`).join(', ') || 'none';
  throw unknownValue('prompt', prompt, `this model has ${known}; or use instruction`);
}

function checkPrompt(name: string, value: unknown, inputs: readonly Input[]): string | undefined {
  if (value === undefined) return undefined;
  const text = checkString(name, value);
  if (inputs.every((input) => typeof input === 'string')) return text;
  throw new TypeError(`${name} applies to texts only: it cannot be prepended to token ids.`);
}
