// The prefix of texts: the caller's instruction, or one of the model's prompts.

import { showItems } from '../show';
import { checkString, type Given, unknownValue } from './checks';

/** What is prepended to every text. */
export interface Prefix {
  readonly text: string;
  /** The option that set it. */
  readonly option: 'instruction' | 'prompt';
}

/** The prefix of a call; undefined if neither option is set. Throws TypeError or RangeError. */
export function prefixOf(
  options: Given<Prefix['option']>,
  prompts: ReadonlyMap<string, string>,
): Prefix | undefined {
  const { instruction, prompt } = options;
  if (instruction !== undefined && prompt !== undefined) {
    throw new TypeError(
      'instruction and prompt are mutually exclusive: a prompt is an instruction of the model.',
    );
  }
  // No space after the last colon, as in get_detailed_instruct:
  // https://huggingface.co/Qwen/Qwen3-Embedding-0.6B
  if (instruction !== undefined) {
    const text = `Instruct: ${checkString('instruction', instruction)}\nQuery:`;
    return { text, option: 'instruction' };
  }
  if (prompt === undefined) return undefined;
  const name = checkString('prompt', prompt);
  const text = prompts.get(name);
  if (text !== undefined) return { text, option: 'prompt' };
  const known = showItems([...prompts.keys()]) || 'none';
  throw unknownValue('prompt', name, `this model has ${known}; or use instruction`);
}
