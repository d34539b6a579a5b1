// Tells whether a load shares weights with a model that is already in memory.

import { Embedder } from '../../lib';

/** Loads a model, and counts the bytes of its weights that were read: 0 if they are shared. */
export async function loadCounting(folder: string): Promise<{ embedder: Embedder; read: number }> {
  let read = 0;
  const embedder = await Embedder.load(folder, {
    onProgress: ({ loaded }) => {
      read = loaded;
    },
  });
  return { embedder, read };
}
