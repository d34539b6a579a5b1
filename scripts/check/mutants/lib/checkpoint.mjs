export const file = 'lib/checkpoint/checkpoint.ts';
export const suite = 'lib/checkpoint';

const vectors = { suite: 'embedder/vectors', tests: 'wide-heads-f16 in f32 on the CPU' };

export const mutants = [
  {
    name: 'tensors with the prefix are not found',
    text: "table.tensors.has('model.embed_tokens.weight') ? 'model.' : ''",
    replacement: "''",
    tests: 'with the prefix, lm_head and rope_parameters',
  },
  {
    name: 'shapes are compared by their number of axes only',
    text: 'stored.shape.some((size, axis) => size !== shape[axis])',
    replacement: 'stored.shape.some((size) => size < 0)',
    tests: 'model.safetensors with',
  },
  {
    name: 'a shape with more axes is accepted',
    text: `    stored.shape.length !== shape.length ||
    stored.shape.some((size, axis) => size !== shape[axis])`,
    replacement: '    shape.some((size, axis) => size !== stored.shape[axis])',
    tests: 'model.safetensors with',
  },
  {
    name: 'the bytes of a tensor need not match its shape',
    text: 'if (stored.bytes !== rows * cols * bytesOf[dtype]) {',
    replacement: 'if (stored.bytes > rows * cols * bytesOf[dtype]) {',
    tests: 'model.safetensors with',
  },
  {
    name: 'a data type with the name of a property of objects is known',
    text: 'Object.hasOwn(storedTypes, stored.dtype) ? storedTypes[stored.dtype] : undefined',
    replacement: 'storedTypes[stored.dtype]',
    tests: 'toString',
  },
  {
    name: 'the norms of queries and keys are swapped',
    text: 'queryNorm: vector(`${at}.self_attn.q_norm`, headDim),',
    replacement: 'queryNorm: vector(`${at}.self_attn.k_norm`, headDim),',
    ...vectors,
  },
  {
    name: 'the gate is the up projection',
    text: 'gate: matrix(`${at}.mlp.gate_proj`',
    replacement: 'gate: matrix(`${at}.mlp.up_proj`',
    ...vectors,
  },
  {
    name: 'all layers have the weights of the first',
    text: '(_, index) => layer(index)',
    replacement: '(_, index) => layer(index * 0)',
    ...vectors,
  },
  {
    name: 'a folder without a tokenizer.json has one',
    text: '(await folder.stateOf(tokenizer)) ? tokenizer : undefined',
    replacement: '(await folder.stateOf(tokenizer)) === null ? undefined : tokenizer',
    tests: 'without a tokenizer',
  },
  {
    name: 'the pooling is not checked',
    text: 'await checkPooling(folder, config.hidden);',
    replacement: '',
    tests: 'modules.json, pooling and prompts',
  },
];
