import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { Folder } from '../../lib/checkpoint/folder';
import type { ErrorCode } from '../../lib/errors';
import { randomModel, smallModel } from '../support/goldens.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import {
  safetensors,
  type Tensor,
  type TinyCheckpoint,
  tinyCheckpoint,
  withHeader,
  writeCheckpoint,
} from '../support/tiny_checkpoint';

/** A folder with the tiny checkpoint, modified before it is written, or afterwards. */
function folderOf(
  before: (checkpoint: TinyCheckpoint) => void = () => {},
  after = (_folder: string) => {},
): string {
  const folder = temporaryFolder();
  const checkpoint = tinyCheckpoint();
  before(checkpoint);
  writeCheckpoint(folder, checkpoint);
  after(folder);
  return folder;
}

const withConfig = (changes: Record<string, unknown>) =>
  folderOf(({ config }) => Object.assign(config, changes));
const withFile = (name: string, content: unknown) =>
  folderOf(undefined, (folder) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(
      path.join(folder, name),
      typeof content === 'string' ? content : JSON.stringify(content),
    );
  });
const weights = (folder: string) => path.join(folder, 'model.safetensors');
const withWeights = (bytes: Buffer) =>
  folderOf(undefined, (folder) => writeFileSync(weights(folder), bytes));

/** A folder with the tiny checkpoint's tensors in a.safetensors and an index with `weightMap`. */
function sharded(weightMap: unknown): string {
  const folder = temporaryFolder();
  const { config, tensors } = tinyCheckpoint();
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(path.join(folder, 'a.safetensors'), safetensors(tensors));
  writeFileSync(
    path.join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: weightMap }),
  );
  return folder;
}

afterEach(() => {
  vi.restoreAllMocks();
});

async function refused(folder: string, code: ErrorCode, message: string | RegExp) {
  const matcher = expect.stringMatching(message);
  await expect(readCheckpoint(folder)).rejects.toMatchObject({
    name: 'EmbedderError',
    code,
    message: matcher,
  });
}

describe('a valid checkpoint', () => {
  it('in the published layout', async () => {
    const { source, prompts, tokenizer, folder } = await readCheckpoint(smallModel);
    expect(folder.path).toBe(smallModel);
    expect(tokenizer).toBe(path.join(smallModel, 'tokenizer.json'));
    expect([...prompts.keys()]).toEqual(['query', 'document']);
    expect(source.config).toEqual({
      hidden: 256,
      intermediate: 768,
      layers: 4,
      queryHeads: 2,
      keyValueHeads: 1,
      headDim: 128,
      vocabulary: 16_384,
      maxPositions: 32_768,
      normEps: 1e-6,
      ropeTheta: 1e6,
    });
    expect(source.layers).toHaveLength(4);
    expect(source.embeddings).toMatchObject({
      rows: 16_384,
      cols: 256,
      dtype: 'bf16',
      bytes: 16_384 * 256 * 2,
    });
    expect(source.finalNorm).toMatchObject({ rows: 1, cols: 256 });
  });

  it('with the prefix, lm_head and rope_parameters', async () => {
    const { source } = await readCheckpoint(randomModel('wide-heads-f16').folder);
    expect(source.embeddings.dtype).toBe('f16');
    expect(source.config.ropeTheta).toBe(1e6);
    expect(source.layers[1]?.attentionOut).toMatchObject({ rows: 128, cols: 512 });
  });

  it('in shards', async () => {
    const { source } = await readCheckpoint(randomModel('mha-sharded-f32').folder);
    expect(source.files).toHaveLength(3);
    expect(
      new Set(source.layers.flatMap((layer) => Object.values(layer).map((tensor) => tensor.file))),
    ).toEqual(new Set([0, 1, 2]));
  });

  it('behind a symbolic link is resolved', async () => {
    const folder = folderOf();
    const link = path.join(temporaryFolder(), 'link');
    symlinkSync(folder, link);
    const { source } = await readCheckpoint(link);
    expect(source.files).toEqual([{ path: weights(folder), version: expect.any(String) }]);
  });

  it('with unused and empty tensors, and without a tokenizer', async () => {
    const folder = folderOf(({ tensors }) => {
      tensors['rotary.inv_freq'] = { dtype: 'F64', shape: [0], values: [] };
      tensors['lm_head.weight'] = { dtype: 'I8', shape: [2], values: [1] };
    });
    expect((await readCheckpoint(folder)).tokenizer).toBeUndefined();
  });

  it.each([
    [{ rope_scaling: { rope_type: 'default' } }],
    [{ rope_scaling: { type: 'default' } }],
    [{ rope_parameters: { rope_theta: 1e6, rope_type: 'default' } }],
    [{ sliding_window: 4096, layer_types: ['full_attention'] }],
    [
      {
        head_dim: undefined,
        hidden_act: undefined,
        attention_bias: undefined,
        use_sliding_window: undefined,
      },
    ],
  ])('with %j', async (changes) => {
    await expect(readCheckpoint(withConfig(changes))).resolves.toBeDefined();
  });

  it('with last-token pooling, in each notation', async () => {
    const old = {
      pooling_mode_lasttoken: true,
      pooling_mode_mean_tokens: false,
      word_embedding_dimension: 32,
    };
    for (const pooling of [
      old,
      { pooling_mode: 'lasttoken', embedding_dimension: 32 },
      { pooling_mode: ['lasttoken'] },
    ]) {
      await expect(
        readCheckpoint(withFile('1_Pooling/config.json', pooling)),
      ).resolves.toBeDefined();
    }
  });
});

describe('a folder that is not a checkpoint', () => {
  const withoutWeights = () => folderOf(undefined, (folder) => rmSync(weights(folder)));
  it.each([
    ['nothing there', () => path.join(temporaryFolder(), 'none'), /no model folder/],
    ['a file', () => weights(folderOf()), /is a file/],
    ['empty', () => temporaryFolder(), /no config.json/],
    ['without weights', withoutWeights, /neither model.safetensors/],
  ])('%s is MODEL_NOT_FOUND', (_, folder, message) =>
    refused(folder(), 'MODEL_NOT_FOUND', message),
  );
});

describe('config.json', () => {
  it.each([
    ['', /not JSON/],
    ['{"model_type": "qwen3"', /not JSON/],
    ['[]', /JSON object/],
    ['null', /JSON object/],
  ])('%j is MODEL_INVALID', (content, message) =>
    refused(withFile('config.json', content), 'MODEL_INVALID', message),
  );

  it('of more than 64 MB is MODEL_INVALID, and is not read', async () => {
    const folder = folderOf(undefined, (folder) =>
      truncateSync(path.join(folder, 'config.json'), 64 * 2 ** 20 + 1),
    );
    await refused(folder, 'MODEL_INVALID', /has 67108865 bytes; at most 67108864 are accepted/);
    truncateSync(path.join(folder, 'config.json'), 64 * 2 ** 20);
    await refused(folder, 'MODEL_INVALID', /not JSON/);
  });

  it('as a folder is MODEL_INVALID', () => {
    const folder = temporaryFolder();
    mkdirSync(path.join(folder, 'config.json'));
    return refused(folder, 'MODEL_INVALID', 'is not a file');
  });

  const sizes = [
    'hidden_size',
    'intermediate_size',
    'num_hidden_layers',
    'num_attention_heads',
    'num_key_value_heads',
    'vocab_size',
    'max_position_embeddings',
  ];
  const invalidSizes = [0, -1, 1.5, 1e9, 1e300, '64', null, true, [64], {}, undefined];
  it.each(sizes.flatMap((name) => invalidSizes.map((value) => [name, value] as const)))(
    '%s %j is MODEL_INVALID',
    (name, value) => refused(withConfig({ [name]: value }), 'MODEL_INVALID', name),
  );

  it.each([
    [{ rms_norm_eps: 0 }, /rms_norm_eps/],
    [{ rms_norm_eps: -1e-6 }, /rms_norm_eps/],
    [{ rms_norm_eps: 1e-50 }, /rms_norm_eps/],
    [{ rms_norm_eps: undefined }, /rms_norm_eps is missing/],
    [{ rope_theta: 0 }, /rope_theta/],
    [{ rope_theta: 1e99 }, /rope_theta/],
    [{ rope_theta: 'big' }, /rope_theta/],
    [{ rope_theta: undefined }, /rope_theta is missing/],
    [{ rope_parameters: { rope_theta: 5 } }, /rope_theta is 1000000, but 5/],
    [{ rope_parameters: 7 }, /rope_parameters/],
    [{ rope_scaling: 'yarn' }, /rope_scaling/],
    [{ num_attention_heads: 2, num_key_value_heads: 4 }, /is not a multiple/],
    [{ num_attention_heads: 3, num_key_value_heads: 2 }, /is not a multiple/],
    [{ layer_types: 'full_attention' }, /layer_types/],
    [{ head_dim: 0 }, /head_dim/],
    [{ head_dim: 'wide' }, /head_dim/],
    [{ hidden_size: 64 }, /shape \[64, 32\], but config.json requires \[64, 64\]/],
    [{ vocab_size: 65 }, /shape \[64, 32\]/],
    [{ num_hidden_layers: 2 }, /layers.1.input_layernorm.weight is missing/],
  ])('%j is MODEL_INVALID', (changes, message) =>
    refused(withConfig(changes), 'MODEL_INVALID', message),
  );

  it.each([
    [{ model_type: 'bert' }, /model_type is "bert"/],
    [{ model_type: undefined }, /model_type is missing/],
    [{ model_type: null }, /model_type is null/],
    [{ hidden_act: 'gelu' }, /hidden_act is "gelu"/],
    [{ attention_bias: true }, /attention_bias is true/],
    [{ use_sliding_window: true }, /use_sliding_window is true/],
    [{ layer_types: ['sliding_attention'] }, /sliding_attention/],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, /sliding_attention/],
    [{ rope_scaling: { type: 'yarn', factor: 4 } }, /rope scaling is "yarn"/],
    [{ rope_parameters: { rope_type: 'linear', rope_theta: 1e6 } }, /rope scaling is "linear"/],
    [{ head_dim: 64 }, /head_dim is 64/],
    [{ is_causal: false }, /is_causal/],
    [{ use_bidirectional_attention: true }, /use_bidirectional_attention is true/],
    [{ quantization_config: { quant_method: 'gptq' } }, /quantized/],
  ])('%j is MODEL_UNSUPPORTED', (changes, message) =>
    refused(withConfig(changes), 'MODEL_UNSUPPORTED', message),
  );
});

describe('modules.json, pooling and prompts', () => {
  const pooling = '1_Pooling/config.json';
  it.each([
    [
      pooling,
      { pooling_mode_mean_tokens: true, pooling_mode_lasttoken: false },
      /pooling is "mean_tokens"/,
    ],
    [pooling, { pooling_mode_cls_token: true, pooling_mode_lasttoken: true }, /cls_token/],
    [pooling, { pooling_mode_mean_tokens: 1, pooling_mode_lasttoken: true }, /mean_tokens/],
    [pooling, { pooling_mode: 'mean' }, /pooling is "mean"/],
    [pooling, {}, /pooling is none/],
    ['modules.json', [{ type: 'sentence_transformers.models.Dense', path: '2_Dense' }], /Dense/],
  ])('%s with %j is MODEL_UNSUPPORTED', (name, content, message) =>
    refused(withFile(name, content), 'MODEL_UNSUPPORTED', message),
  );

  const prompts = 'config_sentence_transformers.json';
  it.each([
    [pooling, '{', /not JSON/],
    [pooling, { pooling_mode_lasttoken: true, word_embedding_dimension: 64 }, /hidden_size is 32/],
    [pooling, { pooling_mode: 'lasttoken', embedding_dimension: 64 }, /hidden_size is 32/],
    ['modules.json', {}, /array/],
    [
      'modules.json',
      [{ type: 'sentence_transformers.models.Pooling', path: '../../etc' }],
      /is not the name of a subfolder/,
    ],
    [
      'modules.json',
      [{ type: 'sentence_transformers.models.Pooling' }],
      /is not the name of a subfolder/,
    ],
    [prompts, { prompts: { query: 5 } }, /"query" is not a string/],
    [prompts, { prompts: [] }, /not an object/],
  ])('%s with %j is MODEL_INVALID', (name, content, message) =>
    refused(withFile(name, content), 'MODEL_INVALID', message),
  );
});

describe('model.safetensors', () => {
  const q = 'layers.0.self_attn.q_proj.weight';

  it.each([
    ['empty', Buffer.alloc(0), /only 0 bytes/],
    ['of 7 bytes', Buffer.alloc(7), /only 7 bytes/],
    [
      'with a header past its end',
      withHeader('{}', Buffer.alloc(9), 12n),
      /header should have 12 bytes/,
    ],
    [
      'with the largest possible header length',
      withHeader('{}', Buffer.alloc(9), 2n ** 64n - 1n),
      /header should have/,
    ],
    ['with a header that is not JSON', withHeader('{"a"', Buffer.alloc(9)), /not JSON/],
    [
      'with a header that is not UTF-8',
      withHeader('{"', Buffer.from('\xff": {}}', 'latin1'), 9n),
      /not JSON/,
    ],
    ['with a header that is not an object', withHeader('[]', Buffer.alloc(9)), /not a JSON object/],
    [
      'with an entry that is not an object',
      withHeader('{"a": 5}', Buffer.alloc(9)),
      /not an object/,
    ],
    ['without tensors', withHeader('{}', Buffer.alloc(9)), /embed_tokens.weight is missing/],
  ])('%s is MODEL_INVALID', (_, bytes, message) =>
    refused(withWeights(bytes), 'MODEL_INVALID', message),
  );

  it('with a header of more than 100 MB is MODEL_INVALID, and is not read', async () => {
    const folder = withWeights(withHeader('{}', Buffer.alloc(0), 100_000_001n));
    truncateSync(weights(folder), 300_000_000);
    await refused(folder, 'MODEL_INVALID', /header should have 100000001 bytes/);
  });

  it.each([
    ['of another shape', { shape: [32, 128] }, /shape \[32, 128\]/],
    ['with too few axes', { shape: [4096] }, /shape \[4096\]/],
    ['with an axis more', { shape: [128, 32, 1] }, /shape \[128, 32, 1\]/],
    ['with a negative axis', { shape: [-1, 32] }, /invalid shape/],
    ['with a fractional axis', { shape: [1.5] }, /invalid shape/],
    ['without a dtype', { dtype: undefined }, /no dtype/],
    ['with bytes for another dtype', { dtype: 'F32' }, /8192 bytes/],
    ['with one offset', { data_offsets: [0] }, /data_offsets/],
    ['with a negative offset', { data_offsets: [-8, 8] }, /data_offsets/],
    ['with huge offsets', { data_offsets: [1e300, 1e301] }, /data_offsets/],
    ['that ends before it begins', { data_offsets: [9, 8] }, /data_offsets \[9, 8\]/],
    ['past the end', { data_offsets: [1e6, 1e6 + 8192] }, /data_offsets \[1000000, 1008192\]/],
    ['that overlaps another', { data_offsets: [64, 64 + 8192] }, /overlap/],
  ])('with a tensor %s is MODEL_INVALID', (_, changes, message) =>
    refused(
      folderOf(({ tensors }) => Object.assign(tensors[q] as Tensor, changes)),
      'MODEL_INVALID',
      message,
    ),
  );

  it('without one of its tensors is MODEL_INVALID', () =>
    refused(
      folderOf(({ tensors }) => Reflect.deleteProperty(tensors, q)),
      'MODEL_INVALID',
      /q_proj.weight is missing/,
    ));

  it.each(['F64', 'I8', 'F8_E4M3', 'XYZ', 'toString'])(
    'with weights stored as %s is MODEL_UNSUPPORTED',
    (dtype) =>
      refused(
        folderOf(({ tensors }) => Object.assign(tensors[q] as Tensor, { dtype })),
        'MODEL_UNSUPPORTED',
        dtype,
      ),
  );

  it('that ends early is MODEL_INVALID', async () => {
    const folder = folderOf();
    truncateSync(weights(folder), 20_000);
    await refused(
      folder,
      'MODEL_INVALID',
      /invalid data_offsets \[\d+, \d+\]: the data has \d+ bytes/,
    );
  });

  it('that becomes shorter before its header is read is MODEL_INVALID', async () => {
    const { stateOf } = Folder.prototype;
    vi.spyOn(Folder.prototype, 'stateOf').mockImplementation(async function (this: Folder, file) {
      const state = await stateOf.call(this, file);
      return state && { ...state, size: state.size + 1_000 };
    });
    const folder = withWeights(withHeader('{}', Buffer.alloc(9), 500n));
    await refused(folder, 'MODEL_INVALID', /it ends after 19 bytes/);
  });
});

describe('model.safetensors.index.json', () => {
  const everything = (file: unknown) =>
    Object.fromEntries(Object.keys(tinyCheckpoint().tensors).map((name) => [name, file]));

  it('that is valid', async () => {
    await expect(readCheckpoint(sharded(everything('a.safetensors')))).resolves.toBeDefined();
  });

  it('that names a shard that is not there is MODEL_NOT_FOUND', () =>
    refused(sharded(everything('b.safetensors')), 'MODEL_NOT_FOUND', /b.safetensors is missing/));

  it.each([
    '../a.safetensors',
    '/etc/passwd',
    'x/a.safetensors',
    '..\\a.safetensors',
    '..',
    '',
    'a\0b',
    5,
    null,
  ])('that names the file %j is MODEL_INVALID', (file) =>
    refused(sharded(everything(file)), 'MODEL_INVALID', /is not the name of a file/),
  );

  it('that names a tensor that its shard lacks is MODEL_INVALID', () =>
    refused(
      sharded({ ...everything('a.safetensors'), 'lm_head.weight': 'a.safetensors' }),
      'MODEL_INVALID',
      /lm_head/,
    ));

  it('that names another shard than the one with the tensor is MODEL_INVALID', async () => {
    const folder = path.join(temporaryFolder(), 'sharded');
    cpSync(randomModel('mha-sharded-f32').folder, folder, { recursive: true });
    const file = path.join(folder, 'model.safetensors.index.json');
    const index = JSON.parse(readFileSync(file, 'utf8'));
    const name = 'norm.weight';
    const shards = new Set<string>(Object.values(index.weight_map));
    index.weight_map[name] = [...shards].find((shard) => shard !== index.weight_map[name]);
    writeFileSync(file, JSON.stringify(index));
    await refused(folder, 'MODEL_INVALID', /"norm.weight" should be in .* does not contain it/);
  });

  it.each([[[]], ['a'], [5]])('with the weight_map %j is MODEL_INVALID', (weightMap) =>
    refused(sharded(weightMap), 'MODEL_INVALID', /weight_map/),
  );
});

describe('files', () => {
  it('that cannot be read are MODEL_NOT_FOUND', async () => {
    const folder = folderOf(undefined, (folder) => {
      const loop = path.join(folder, 'modules.json');
      symlinkSync(loop, loop);
    });
    await refused(folder, 'MODEL_NOT_FOUND', /modules.json cannot be read: .*ELOOP/);
  });

  it('that change are refused, also after a second look at them', async () => {
    const name = folderOf();
    const folder = await Folder.open(name);
    const file = folder.file('config.json');
    await folder.stateOf(file);
    await folder.refuseChanges();
    truncateSync(file, 10);
    await folder.stateOf(file);
    await expect(folder.refuseChanges()).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it.runIf(process.platform === 'linux')('are closed, whether valid or not', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const invalid = withWeights(withHeader('{"a"', Buffer.alloc(9)));
    const folders = [folderOf(), invalid];
    const before = open();
    for (let i = 0; i < 5; i++)
      await Promise.allSettled(folders.map((folder) => readCheckpoint(folder)));
    expect(open()).toBeLessThan(before + 5); // before the collector closes some
  });
});

describe('what a message quotes of a hostile file is short', () => {
  const long = 'x'.repeat(1_000_000);
  const many = Array.from({ length: 100_000 }, (_, i) => i);
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const config = (value: string) => {
    const known = JSON.stringify({ ...tinyCheckpoint().config, model_type: undefined });
    return withFile('config.json', known.replace('{', `{"model_type": ${value},`));
  };
  const header = (text: string) => withWeights(withHeader(text, Buffer.alloc(0)));
  const tensor = (entry: object) => {
    const whole = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
    return header(JSON.stringify({ 'embed_tokens.weight': { ...whole, ...entry } }));
  };

  it.each([
    ['a string', () => config(JSON.stringify(long))],
    ['strings to escape', () => config(JSON.stringify(Array(20).fill('\0'.repeat(1_000))))],
    ['an array', () => config(JSON.stringify(many))],
    ['an array in arrays', () => config(deep)],
    ['a shape', () => tensor({ shape: many })],
    ['a data type', () => tensor({ shape: [64, 32], dtype: long })],
    ['the name of a tensor', () => header(JSON.stringify({ [long]: 5 }))],
    ['the name of a shard', () => sharded({ 'norm.weight': `${long}.safetensors` })],
    ['a tensor of the index', () => sharded({ [long]: 'a.safetensors' })],
    ['a shard that is an array', () => sharded({ 'norm.weight': many })],
    ['a module', () => withFile('modules.json', [{ type: long }])],
    ['the path of a module', () => withFile('modules.json', [{ type: 'Pooling', path: long }])],
    ['pooling modes', () => withFile('1_Pooling/config.json', { pooling_mode: many })],
    [
      'a pooling mode',
      () => withFile('1_Pooling/config.json', `{ "pooling_mode": [${deep}, "lasttoken"] }`),
    ],
    ['a flag', () => withFile('1_Pooling/config.json', { [`pooling_mode_${long}`]: true })],
    [
      'a prompt’s name',
      () => withFile('config_sentence_transformers.json', { prompts: { [long]: 5 } }),
    ],
    ['a file that is not JSON', () => withFile('config.json', long)],
    ['a folder', () => path.join(temporaryFolder(), long)],
  ])('%s', async (_, make) => {
    const folder = make();
    const error = await readCheckpoint(folder).then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ name: 'EmbedderError', code: expect.stringMatching(/^MODEL_/) });
    expect(error.message.length).toBeLessThan(folder.length > 1_000 ? 1_100 : 400);
  });
});
