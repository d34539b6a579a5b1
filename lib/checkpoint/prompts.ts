// Reads the prompts of sentence-transformers' configuration.

import { show } from '../show';
import { invalid } from './errors';
import { type Folder, isObject } from './folder';

/**
 * The model's prompts by name, from `config_sentence_transformers.json`; empty if the file does not
 * exist. Throws `MODEL_INVALID`, or `MODEL_NOT_FOUND` if the file cannot be read.
 */
export async function readPrompts(folder: Folder): Promise<ReadonlyMap<string, string>> {
  const file = folder.file('config_sentence_transformers.json');
  const prompts = (await folder.readJsonObject(file))?.prompts ?? {};
  if (!isObject(prompts)) throw invalid(file, 'prompts is not an object');
  const texts = new Map<string, string>();
  for (const [name, text] of Object.entries(prompts)) {
    if (typeof text !== 'string') throw invalid(file, `the prompt ${show(name)} is not a string`);
    texts.set(name, text);
  }
  return texts;
}
