export const file = 'native/model/forward.cc';
export const suite = 'embedder/vectors';

const gqa = 'gqa2-bf16';

export const mutants = [
  {
    name: 'the last layer runs on all rows before it runs on the pooled ones',
    text: 'if (i < last) attend',
    replacement: 'attend',
    tests: gqa,
  },
  {
    name: 'pooled rows are normed with the gain of the first layer',
    text: 'model.layers[last].attention_norm',
    replacement: 'model.layers[0].attention_norm',
    tests: gqa,
  },
];
