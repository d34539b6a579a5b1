export const file = 'lib/checkpoint/safetensors.ts';
export const suite = 'lib/checkpoint';

const weights = 'model.safetensors with';
const index = 'model.safetensors.index.json';

export const mutants = [
  {
    name: 'a header may be longer than the file',
    text: 'length > maxHeaderBytes || length > size - 8',
    replacement: 'length > maxHeaderBytes',
    tests: weights,
  },
  {
    name: 'a header may have any length',
    text: 'length > maxHeaderBytes || length > size - 8',
    replacement: 'length > size - 8',
    tests: 'with a header of more than 100 MB',
  },
  {
    name: 'a file that ends early is read as zeros',
    text: 'if (bytesRead !== length) throw',
    replacement: 'if (bytesRead > length) throw',
    tests: 'that becomes shorter before its header is read',
  },
  {
    name: 'a header that is not UTF-8 is accepted',
    text: "new TextDecoder('utf-8', { fatal: true })",
    replacement: 'new TextDecoder()',
    tests: weights,
  },
  {
    name: 'files stay open',
    text: 'await handle.close();',
    replacement: '',
    tests: 'are closed, whether valid or not',
  },
  {
    name: 'a tensor may end before it begins',
    text: 'if (begin > end || end > data)\n',
    replacement: 'if (end > data)\n',
    tests: weights,
  },
  {
    name: 'a tensor may end after the file',
    text: 'if (begin > end || end > data)\n',
    replacement: 'if (begin > end)\n',
    tests: weights,
  },
  {
    name: 'offsets may be fractions or negative',
    text: 'Number.isSafeInteger(item) && item >= 0',
    replacement: "typeof item === 'number'",
    tests: weights,
  },
  {
    name: 'tensors may overlap',
    text: 'refuseOverlap(tensors, file);',
    replacement: '',
    tests: weights,
  },
  {
    name: 'a tensor may begin inside of the one before the last',
    text: 'end = tensor.offset + tensor.bytes;',
    replacement: 'end = tensor.offset;',
    tests: weights,
  },
  {
    name: 'a tensor starts where the data starts',
    text: 'offset: start + begin,',
    replacement: 'offset: start,',
    suite: 'embedder/vectors',
    tests: 'wide-heads-f16 in f32 on the CPU',
  },
  {
    name: 'the metadata is a tensor',
    text: "if (name === '__metadata__') continue;",
    replacement: '',
    tests: 'in the published layout',
  },
  {
    name: 'all tensors are in the first shard',
    text: 'await readFile(folder, name, files.length)',
    replacement: 'await readFile(folder, name, 0)',
    tests: 'in shards',
  },
  {
    name: 'a shard in another folder is read',
    text: "if (typeof name === 'string' && isPlainName(name)) return name;",
    replacement: "if (typeof name === 'string') return name;",
    tests: index,
  },
  {
    name: 'a tensor that its shard lacks is taken from another',
    text: 'headers.get(name)?.get(tensor)',
    replacement: '[...headers.values()].find((each) => each.has(tensor))?.get(tensor)',
    tests: index,
  },
];
