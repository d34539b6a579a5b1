// Allocates the vectors of a call. Native code writes into them.

import { getHeapStatistics } from 'node:v8';
import type { Vector } from './addon/types';
import { EmbedderError } from './errors';

// What a vector takes of V8's heap: the array, its buffer, its place in the list.
const heapBytesPerVector = 250;
// The part of V8's heap limit in which objects do not stay.
const youngGenerationBytes = 48 * 2 ** 20;

/**
 * Throws `OUT_OF_MEMORY` if V8's heap has no room for the vectors of a call: V8 would end the
 * process.
 */
export function refuseTooMany(count: number): void {
  const bytes = count * heapBytesPerVector;
  if (bytes < 2 ** 20) return;
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics();
  if (bytes <= limit - used - youngGenerationBytes) return;
  throw new EmbedderError(
    'OUT_OF_MEMORY',
    `The JavaScript heap has no room for ${count} vectors: embed fewer texts in one call, or ` +
      'raise its limit with --max-old-space-size.',
  );
}

/** New vectors, each with memory of its own. Throws `OUT_OF_MEMORY`. */
export function newVectors(count: number, dimensions: number): Vector[] {
  try {
    return Array.from({ length: count }, () => new Float32Array(dimensions));
  } catch (cause) {
    throw new EmbedderError(
      'OUT_OF_MEMORY',
      'The host has no memory left for the vectors of this call: embed fewer texts.',
      { cause },
    );
  }
}
