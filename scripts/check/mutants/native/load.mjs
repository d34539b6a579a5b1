export const file = 'native/addon/load.cc';
export const suite = 'embedder/embedder';

export const mutants = [
  {
    name: 'the longest text is that of the model, whether it fits or not',
    text: 'std::min(loaded->model->config.max_positions, loaded->limits.tokens)',
    replacement: 'loaded->model->config.max_positions',
    suite: 'embedder/cuda',
    tests: 'else lowers maxTokens',
  },
  {
    name: 'an unknown precision is auto',
    text: '!job->device.precision && precision != "auto"',
    replacement: 'false',
    suite: 'embedder/native_calls',
    tests: 'load refuses an unknown precision',
  },
  {
    name: 'unloading keeps the model',
    text: 'if (node) loader().release(std::move(node.mapped()));',
    replacement: 'if (node) environment_of(info).models.insert(std::move(node));',
    tests: 'shares weights until the last embedder is closed',
  },
];
