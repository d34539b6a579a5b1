export const file = 'lib/checkpoint/config.ts';
export const suite = 'lib/checkpoint';

const config = 'config.json';

export const mutants = [
  ...['hidden_act', 'attention_bias', 'use_sliding_window', 'is_causal'].map((name) => ({
    name: `${name} is ignored`,
    text: `  ${name}: `,
    replacement: `  ignored_${name}: `,
    tests: config,
  })),
  {
    name: 'use_bidirectional_attention is ignored',
    text: '  use_bidirectional_attention: false,\n',
    replacement: '',
    tests: config,
  },
  {
    name: 'another architecture is accepted',
    text: "if (config.model_type !== 'qwen3') {",
    replacement: 'if (config.model_type === undefined) {',
    tests: config,
  },
  {
    name: 'quantized weights are accepted',
    text: 'if (config.quantization_config)\n',
    replacement: 'if (config.quantization_config === 5)\n',
    tests: config,
  },
  {
    name: 'only the first layer type is checked',
    text: "layerTypes.find((type) => type !== 'full_attention')",
    replacement: "layerTypes.slice(0, 1).find((type) => type !== 'full_attention')",
    tests: config,
  },
  {
    name: 'another width of heads is accepted',
    text: 'if (headDim !== 128) {',
    replacement: "if (typeof headDim !== 'number') {",
    tests: config,
  },
  {
    name: 'query heads need not be a multiple of key-value heads',
    text: 'if (queryHeads % keyValueHeads !== 0) {',
    replacement: 'if (queryHeads < keyValueHeads) {',
    tests: config,
  },
  {
    name: 'rope scaling in rope_scaling is ignored',
    text: '[parameters, config.rope_scaling ?? {}]',
    replacement: '[parameters]',
    tests: config,
  },
  {
    name: 'rope scaling in rope_parameters is ignored',
    text: '[parameters, config.rope_scaling ?? {}]',
    replacement: '[config.rope_scaling ?? {}]',
    tests: config,
  },
  {
    name: 'the old name of the kind of rope scaling is ignored',
    text: 'scaling.rope_type ?? scaling.type ?? ',
    replacement: 'scaling.rope_type ?? ',
    tests: config,
  },
  {
    name: 'two different values of rope_theta are accepted',
    text: 'if (thetas.length === 2 && thetas[0] !== thetas[1]) {',
    replacement: 'if (thetas.length === 3) {',
    tests: config,
  },
  {
    name: 'a size may be a fraction',
    text: 'if (!Number.isInteger(value)) throw',
    replacement: 'if (Number.isNaN(value)) throw',
    tests: config,
  },
  {
    name: 'a number may be too large',
    text: 'if (!(value >= low && value <= high))',
    replacement: 'if (!(value >= low))',
    tests: config,
  },
  {
    name: 'a number may be too small',
    text: 'if (!(value >= low && value <= high))',
    replacement: 'if (!(value <= high))',
    tests: config,
  },
  {
    name: 'a number may be a string',
    text: "if (typeof value !== 'number') throw invalid",
    replacement: `if (typeof value === 'string') return Number(value);
  if (typeof value !== 'number') throw invalid`,
    tests: config,
  },
];
