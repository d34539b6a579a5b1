// The prompts that sentence-transformers' file names.

import path from 'node:path';
import { invalid, show } from './errors';
import { isObject, readJsonObject } from './files';

/** The model's own prompts by name, from `config_sentence_transformers.json`; none where there is no such file. */
export async function readPrompts(folder: string): Promise<ReadonlyMap<string, string>> {
  const file = path.join(folder, 'config_sentence_transformers.json');
  const prompts = (await readJsonObject(file))?.prompts ?? {};
  if (!isObject(prompts)) throw invalid(file, 'prompts is not an object');
  const texts = new Map<string, string>();
  for (const [name, text] of Object.entries(prompts)) {
    if (typeof text !== 'string') throw invalid(file, `the prompt ${show(name)} is not a string`);
    texts.set(name, text);
  }
  return texts;
}
