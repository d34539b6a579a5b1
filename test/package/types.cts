// Compiled, not run: checks the types that a program sees. Also compiled as types.mts.
import { type AbortSignalLike, Embedder, EmbedderError, type Vector } from 'qwen3-embed';

export async function vectorsOf(folder: string, texts: string[]): Promise<Float32Array[]> {
  await using embedder = await Embedder.load(folder, { device: 'cpu', precision: 'bf16' });
  try {
    const one: Float32Array = await embedder.embed('a text');
    const bytes: ArrayBuffer = (await embedder.embed('another')).buffer;
    return [one, new Float32Array(bytes), ...(await embedder.embed(texts, { dimensions: 64 }))];
  } catch (error) {
    if (error instanceof EmbedderError && error.code === 'INPUT_TOO_LONG') return [];
    throw error;
  }
}

export async function either(
  embedder: Embedder,
  input: string | string[],
  signal: AbortSignalLike,
): Promise<[Vector | Vector[], number | number[]]> {
  return [await embedder.embed(input, { signal }), await embedder.countTokens(input, { signal })];
}
