export const file = 'lib/vectors.ts';

export const mutants = [
  {
    name: "the room in V8's heap is not checked",
    text: 'if (bytes <= limit - used - youngGenerationBytes) return;',
    replacement: 'if (bytes <= limit * used * youngGenerationBytes) return;',
    suite: 'embedder/event_loop',
    tests: 'the JavaScript heap has no room',
  },
  {
    name: 'vectors share memory',
    text: 'return Array.from({ length: count }, () => new Float32Array(dimensions));',
    replacement: `const all = new Float32Array(count * dimensions);
    const vector = (_: unknown, i: number) => all.subarray(i * dimensions, (i + 1) * dimensions);
    return Array.from({ length: count }, vector);`,
    suite: 'embedder/embedder',
    tests: 'gives each vector memory of its own',
  },
  {
    name: 'memory that V8 refuses is a RangeError',
    text: `    throw new EmbedderError(
      'OUT_OF_MEMORY',
      'The host has`,
    replacement: `    if (cause) throw cause;
    throw new EmbedderError(
      'OUT_OF_MEMORY',
      'The host has`,
    suite: 'embedder/realms',
    tests: 'a Float32Array class that has no memory',
  },
];
