// Checks that sentence-transformers' files configure the pooling that is implemented.

import { show, showItems } from '../show';
import { invalid, unsupported } from './errors';
import { type Folder, isObject, isPlainName } from './folder';

/**
 * Checks that `modules.json` and the pooling's `config.json`, if they exist, configure what is
 * implemented: the last token's vector of `hidden` values, followed by nothing but normalization.
 * Throws `MODEL_INVALID` or `MODEL_UNSUPPORTED`.
 */
export async function checkPooling(folder: Folder, hidden: number): Promise<void> {
  const modulesFile = folder.file('modules.json');
  const modules = (await folder.readJson(modulesFile)) ?? [{ type: 'Pooling', path: '1_Pooling' }];
  if (!Array.isArray(modules) || !modules.every(isObject))
    throw invalid(modulesFile, 'it must contain an array of objects');
  for (const module of modules) {
    const type = typeof module.type === 'string' ? module.type.split('.').at(-1) : undefined;
    if (type === 'Pooling') await checkPoolingFile(folder, module.path, hidden);
    else if (type !== 'Transformer' && type !== 'Normalize') {
      throw unsupported(modulesFile, `modules of type ${show(module.type)} are not supported`);
    }
  }
}

async function checkPoolingFile(folder: Folder, subfolder: unknown, hidden: number): Promise<void> {
  if (typeof subfolder !== 'string' || !isPlainName(subfolder)) {
    throw invalid(
      folder.file('modules.json'),
      `the pooling's path ${show(subfolder)} is not the name of a subfolder`,
    );
  }
  const file = folder.file(subfolder, 'config.json');
  const pooling = await folder.readJsonObject(file);
  if (!pooling) return;
  // One flag per mode or, since sentence-transformers 5, the names of the modes.
  const flags = Object.keys(pooling).filter(
    (key) => key.startsWith('pooling_mode_') && pooling[key] !== false,
  );
  const modes = [
    ...flags.map((key) => key.slice('pooling_mode_'.length)),
    ...[pooling.pooling_mode ?? []].flat(),
  ];
  if (modes.length === 0 || modes.some((mode) => mode !== 'lasttoken')) {
    throw unsupported(
      file,
      `pooling is ${showItems(modes) || 'none'}; only "lasttoken" is supported`,
    );
  }
  const width = pooling.word_embedding_dimension ?? pooling.embedding_dimension ?? hidden;
  if (width !== hidden)
    throw invalid(file, `the width is ${show(width)}, but hidden_size is ${hidden}`);
}
