// Calls of the addon without lib/: it refuses arguments that would corrupt memory if lib/ had a
// bug, and drops cancelled work.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../lib/addon/binary';
import type {
  LoadedModel,
  ModelSource,
  OpenedTokenizer,
  TokenizeOptions,
  Vector,
} from '../../lib/addon/types';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { run, script } from '../support/child';
import { smallModel } from '../support/goldens.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import { tinyCheckpoint, writeCheckpoint } from '../support/tiny_checkpoint';
import { smallTokenizer } from '../support/tokenizer_json.cjs';

/** A file of the built package, as a string of a script. */
const built = (...names: string[]) =>
  JSON.stringify(path.join(__dirname, '..', '..', 'dist', ...names));
const hidden = 32;
const device = {
  device: 'reference',
  precision: 'f32',
  threads: 1,
  instructionSet: '',
  cudaLibrary: '',
} as const;

let source: ModelSource;
let model: number;

const load = async (from: ModelSource, request: object = device) => {
  const loaded = await addon.load(from, request as typeof device, undefined).promise;
  return (loaded as LoadedModel).model;
};

beforeAll(async () => {
  const folder = temporaryFolder();
  writeCheckpoint(folder, tinyCheckpoint());
  source = (await readCheckpoint(folder)).source;
  model = await load(source);
});

afterAll(() => addon.unload(model));

const newVectors = (count: number) => Array.from({ length: count }, () => new Float32Array(hidden));

/** Begins a call. */
function embed(texts: number, { maxBatchTokens = 100 } = {}) {
  return addon.embed(model, texts, hidden, maxBatchTokens, false, 1);
}

/** Submits a call with one text. */
function submitted(ids: Uint32Array) {
  const call = embed(1, { maxBatchTokens: 1 });
  const vectors = newVectors(1);
  addon.addTexts(call.ticket, ids, Uint32Array.of(ids.length), vectors);
  addon.submit(call.ticket);
  return { ...call, vector: vectors[0] as Vector };
}

it.each([
  ['model', { model: 2 ** 32 }],
  ['texts', { texts: 0 }],
  ['texts', { texts: 2 ** 32 }],
  ['texts', { texts: '1' }],
  ['texts', { texts: Number.NaN }],
  ['dimensions', { dimensions: 0 }],
  ['dimensions', { dimensions: hidden + 1 }],
  ['maxBatchTokens', { maxBatchTokens: 2 ** 20 + 1 }],
  ['threads', { threads: 0 }],
  ['threads', { threads: 1_025 }],
])('embed refuses %s out of range: %o', (name, given) => {
  const valid = { model, texts: 1, dimensions: hidden, maxBatchTokens: 100, threads: 1 };
  const call = { ...valid, ...given } as typeof valid;
  const start = () =>
    addon.embed(call.model, call.texts, call.dimensions, call.maxBatchTokens, false, call.threads);
  expect(start).toThrow(new RangeError(`${name} is out of range`));
});

it('embed refuses a fraction, and a model that was unloaded', async () => {
  expect(() => embed(1.5)).toThrow(new RangeError('texts is not an integer'));
  const unloaded = await load(source);
  addon.unload(unloaded);
  addon.unload(unloaded);
  expect(() => addon.embed(unloaded, 1, hidden, 1, false, 1)).toThrow(
    expect.objectContaining({ code: 'CLOSED', message: 'the model is closed' }),
  );
});

describe('addTexts', () => {
  const ids = Uint32Array.of(1, 2, 3);
  const lengths = Uint32Array.of(1, 2);

  it.each([
    ['an empty text', { lengths: Uint32Array.of(3, 0) }, "a text's length is out of range"],
    [
      'a text with more tokens than positions',
      { ids: new Uint32Array(258), lengths: Uint32Array.of(1, 257) },
      "a text's length is out of range",
    ],
    ['too few ids', { ids: Uint32Array.of(1, 2) }, 'ids do not match lengths'],
    ['too many ids', { ids: Uint32Array.of(1, 2, 3, 4) }, 'ids do not match lengths'],
    [
      'too many texts',
      { lengths: Uint32Array.of(1, 1, 1), vectors: newVectors(3) },
      'there are too many texts',
    ],
    [
      'an id past the vocabulary',
      { ids: Uint32Array.of(1, 2, 64) },
      'a token id is outside of the embedding table',
    ],
    ['ids of another type', { ids: Float32Array.of(1, 2, 3) }, 'ids is not a Uint32Array'],
    ['lengths in a list', { lengths: [1, 2] }, 'lengths is not a Uint32Array'],
    ['a vector too few', { vectors: newVectors(1) }, 'a vector is not a Float32Array'],
    [
      'a vector of another type',
      { vectors: [new Float32Array(hidden), new Int32Array(hidden)] },
      'a vector is not a Float32Array',
    ],
    [
      'a short vector',
      { vectors: [new Float32Array(hidden), new Float32Array(hidden - 1)] },
      `a vector has ${hidden - 1} values, not ${hidden}`,
    ],
    ['no list of vectors', { vectors: undefined }, 'vectors is not an object'],
  ])('refuses %s, after which the call works', async (_, given, message) => {
    const { ticket, promise } = embed(2);
    const wrong = { ids, lengths, vectors: newVectors(2), ...given };
    const add = () =>
      addon.addTexts(
        ticket,
        wrong.ids as Uint32Array,
        wrong.lengths as Uint32Array,
        wrong.vectors as Vector[],
      );
    expect(add).toThrow(new RangeError(message));
    const vectors = newVectors(2);
    addon.addTexts(ticket, ids, lengths, vectors);
    addon.submit(ticket);
    expect(await promise).toHaveLength(0);
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  });

  it('and submit refuse a call that has begun, has ended, or is a load', async () => {
    const missing = new RangeError('there is no such call');
    const add = (ticket: number) => addon.addTexts(ticket, ids, lengths, newVectors(2));
    const loading = addon.load(source, device, undefined);
    expect(() => add(loading.ticket)).toThrow(missing);
    expect(() => addon.submit(loading.ticket)).toThrow(missing);
    addon.unload(((await loading.promise) as LoadedModel).model);

    const { ticket, promise } = embed(2);
    expect(() => addon.submit(ticket)).toThrow(new RangeError('texts are missing'));
    add(ticket);
    addon.submit(ticket);
    expect(() => add(ticket)).toThrow(missing);
    expect(() => addon.submit(ticket)).toThrow(missing);
    await promise;
    expect(() => submitted(ids) && addon.submit(ticket)).toThrow(missing);
  });
});

it.each([
  ['headDim is not 128', () => ({ ...source, config: { ...source.config, headDim: 64 } })],
  [
    'queryHeads is not a multiple of keyValueHeads',
    () => ({ ...source, config: { ...source.config, queryHeads: 3, keyValueHeads: 2 } }),
  ],
  ['unknown dtype', () => ({ ...source, finalNorm: { ...source.finalNorm, dtype: 'f64' } })],
  ['rows is out of range', () => ({ ...source, finalNorm: { ...source.finalNorm, rows: 0 } })],
  ['layer is not an object', () => ({ ...source, layers: [] })],
  ['file is not an object', () => ({ ...source, files: ['model.safetensors'] })],
])('load refuses a model source: %s', (message, wrong) => {
  expect(() => addon.load(wrong() as ModelSource, device, undefined)).toThrow(
    new RangeError(message),
  );
});

it('load refuses an unknown precision, and text that is none', () => {
  const refused = (request: object) =>
    expect(() => addon.load(source, { ...device, ...request } as typeof device, undefined));
  refused({ precision: 'f64' }).toThrow(new RangeError('unknown precision'));
  refused({ device: 7 }).toThrow(new RangeError('device is not a string'));
});

describe('tokenizers', () => {
  const file = path.join(smallModel, 'tokenizer.json');
  const end = 16_379;
  const options: TokenizeOptions = {
    specialTokens: 'parse',
    maxTokens: 100,
    truncate: false,
    keepIds: true,
  };
  let tokenizer: number;

  const opened = async () =>
    ((await addon.openTokenizer(file, 16_384, '').promise) as OpenedTokenizer).tokenizer;

  beforeAll(async () => {
    tokenizer = await opened();
  });

  it.each([
    ['path is not a string', [undefined, 16_384, '']],
    ['vocabulary is out of range', [file, 0, '']],
    ['vocabulary is out of range', [file, 2 ** 32, '']],
    ['vocabulary is out of range', [file, '1', '']],
    ['vocabulary is out of range', [file, Number.NaN, '']],
    ['vocabulary is not an integer', [file, 1.5, '']],
    ['endToken is not a string', [file, 16_384, 7]],
  ])('openTokenizer: %s: %o', (message, args) => {
    const open = () => addon.openTokenizer(...(args as [string, number, string]));
    expect(open).toThrow(new RangeError(message));
  });

  it('openTokenizer reports a file that cannot be read', async () => {
    const open = (...args: [string, number, string]) => addon.openTokenizer(...args).promise;
    await expect(open(`${file}.none`, 16_384, '')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    await expect(open(smallModel, 16_384, '')).rejects.toMatchObject({
      code: expect.stringMatching(/^MODEL_/),
    });
    await expect(open('\0', 16_384, '')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('openTokenizer needs the end token only if the template adds nothing', async () => {
    const opening = addon.openTokenizer(file, 16_384, 'none');
    const { tokenizer, appendsEndToken } = (await opening.promise) as OpenedTokenizer;
    expect(appendsEndToken).toBe(false);
    addon.closeTokenizer(tokenizer);
    const bare = path.join(temporaryFolder(), 'tokenizer.json');
    writeFileSync(bare, JSON.stringify({ ...smallTokenizer(), post_processor: null }));
    await expect(addon.openTokenizer(bare, 16_384, 'none').promise).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: `${bare}: it has no token "none"`,
    });
  });

  it.each([
    ['tokenizer is out of range', { tokenizer: -1 }],
    ['tokenizer is out of range', { tokenizer: '1' }],
    ['tokenizer is not an integer', { tokenizer: 0.5 }],
    ['a text is not a string', { prefix: undefined }],
    ['texts is not an object', { texts: undefined }],
    ['texts is not an object', { texts: 'a text' }],
    ['texts are missing', { texts: [] }],
    ['texts are missing', { texts: {} }],
    ['a text is not a string', { texts: ['a text', 7] }],
    ['options is not an object', { options: undefined }],
    ['specialTokens is not a string', { options: {} }],
    ['unknown specialTokens', { options: { ...options, specialTokens: 'none' } }],
    ['maxTokens is out of range', { options: { ...options, maxTokens: 0 } }],
    ['maxTokens is out of range', { options: { ...options, maxTokens: 2 ** 32 } }],
    ['maxTokens is not an integer', { options: { ...options, maxTokens: 1.5 } }],
  ])('tokenize: %s: %o', (message, given) => {
    const wrong = { tokenizer, prefix: '', texts: ['a text'], options, ...given };
    const call = () =>
      addon.tokenize(
        wrong.tokenizer as number,
        wrong.prefix as string,
        wrong.texts as string[],
        wrong.options as TokenizeOptions,
      );
    expect(call).toThrow(new RangeError(message));
  });

  it('tokenize throws what a getter of its arguments throws', () => {
    const thrown = new Error('no text');
    const texts = Object.defineProperty(['a'], 1, {
      get() {
        throw thrown;
      },
    });
    expect(() => addon.tokenize(tokenizer, '', texts, options)).toThrow(thrown);
  });

  it('tokenize returns ids and lengths, or only lengths', async () => {
    const texts = ['', 'a', ''];
    const { ids, lengths, refused } = { ...(await tokenized(tokenizer, texts)) };
    expect(lengths).toEqual(Uint32Array.of(1, 2, 1));
    expect(ids).toEqual(Uint32Array.of(end, ids?.[1] ?? 0, end, end));
    expect(refused).toBeUndefined();
    expect(await tokenized(tokenizer, texts, { keepIds: false })).toEqual({
      ids: new Uint32Array(),
      lengths,
    });
    expect(
      await tokenized(tokenizer, ['a', '<|im_end|>', 'a'], { specialTokens: 'error' }),
    ).toMatchObject({
      lengths: Uint32Array.of(2),
      refused: { id: end + 2, content: '<|im_end|>' },
    });
  });

  it('closeTokenizer refuses what is no number, and ends new calls only', async () => {
    for (const wrong of [undefined, '1', -1, 2 ** 32])
      expect(() => addon.closeTokenizer(wrong as number)).toThrow(RangeError);
    const closed = await opened();
    const running = tokenized(closed, ['a '.repeat(10_000)], { maxTokens: 2 ** 32 - 1 });
    addon.closeTokenizer(closed);
    addon.closeTokenizer(closed);
    expect((await running)?.lengths[0]).toBeGreaterThan(10_000);
    for (const number of [closed, 2 ** 32 - 1]) {
      expect(() => addon.tokenize(number, '', ['a'], options)).toThrow(
        expect.objectContaining({ code: 'CLOSED', message: 'the tokenizer is closed' }),
      );
    }
  });

  it('work that is cancelled resolves with undefined', async () => {
    const long = 'a '.repeat(1_000_000);
    const running = addon.tokenize(tokenizer, '', [long], { ...options, maxTokens: 2 ** 32 - 1 });
    const queued = addon.tokenize(tokenizer, '', ['a'], options);
    const opening = addon.openTokenizer(file, 16_384, '');
    for (const { ticket } of [running, queued, opening]) addon.cancel(ticket);
    for (const { promise } of [running, queued, opening]) expect(await promise).toBeUndefined();
    expect((await tokenized(tokenizer, ['a']))?.lengths).toEqual(Uint32Array.of(2));
  });

  function tokenized(number: number, texts: string[], given: Partial<TokenizeOptions> = {}) {
    return addon.tokenize(number, '', texts, { ...options, ...given }).promise;
  }
});

it('a cancelled call resolves with undefined, and its vectors are not written', async () => {
  // They take tens of milliseconds, so the call is still queued when it is cancelled.
  const ahead = Array.from({ length: 50 }, () => submitted(new Uint32Array(256).fill(7)));
  const cancelled = submitted(Uint32Array.of(1));
  const after = submitted(Uint32Array.of(1));
  addon.cancel(cancelled.ticket);
  addon.cancel(cancelled.ticket);
  expect(await cancelled.promise).toBeUndefined();
  await Promise.all([...ahead, after].map(({ promise }) => promise));
  expect(cancelled.vector).toEqual(new Float32Array(hidden));
  expect(Math.hypot(...after.vector)).toBeCloseTo(1, 5);
});

// /proc/self/io counts the bytes that were read.
it.runIf(process.platform === 'linux')('a cancelled load is not read', async () => {
  const read = () => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
  const { source: small } = await readCheckpoint(smallModel);
  const before = read();
  const first = await load(small);
  const modelBytes = read() - before;
  const versions = ['2', '3', '4', '5'].map((version) => ({
    ...small,
    files: small.files.map((file) => ({ ...file, version })),
  }));
  const loads = versions.map((version) => addon.load(version, device, undefined));
  for (const { ticket } of loads) addon.cancel(ticket);
  for (const { promise } of loads) expect(await promise).toBeUndefined();
  addon.unload(await load(source)); // the loader has done all before it
  expect(read() - before).toBeLessThan(2.5 * modelBytes);
  addon.unload(first);
});

// prlimit is part of Debian's base system. The limits need more memory than some containers have.
it.runIf(existsSync('/usr/bin/prlimit') && os.freemem() > 2 ** 31)(
  'a call counts the vectors that others have yet to allocate, and what their garbage takes',
  async () => {
    const { stdout } = await run(
      script(`
      const { addon } = require(${built('addon', 'binary.js')});
      const { readCheckpoint } = require(${built('checkpoint', 'checkpoint.js')});
      const { execFileSync } = require('node:child_process');
      const { readFileSync } = require('node:fs');
      const { source } = await readCheckpoint(folder);
      const { model } = await addon.load(source, ${JSON.stringify(device)}, undefined).promise;
      const limitTo = (mebibytes) => {
        const status = readFileSync('/proc/self/status', 'latin1');
        const used = Number(/VmSize:\\s+(\\d+)/.exec(status)[1]);
        const limit = used * 1024 + mebibytes * 2 ** 20;
        execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit + ':']);
      };
      const texts = (mebibytes) => Math.floor((mebibytes * 2 ** 20) / 1664); // of 256 values each
      const begin = (mebibytes) => addon.embed(model, texts(mebibytes), 256, 1, false, 1).ticket;
      const outcome = (mebibytes) => {
        try {
          begin(mebibytes);
          return 'begins';
        } catch (error) {
          return error.code;
        }
      };
      limitTo(1_000);
      console.log('garbage of 800 MiB:', outcome(800));
      const first = begin(400);
      console.log('beside 400 MiB:', outcome(400));
      const ids = new Uint32Array(texts(400)).fill(1);
      addon.addTexts(first, ids, ids, Array(texts(400)).fill(new Float32Array(256)));
      console.log('beside 400 MiB that are allocated:', outcome(400));
      limitTo(300);
      console.log('others need more than is free:', outcome(2));
      process.exit();`),
    );
    expect(stdout.trim().split('\n')).toEqual([
      'garbage of 800 MiB: OUT_OF_MEMORY',
      'beside 400 MiB: OUT_OF_MEMORY',
      'beside 400 MiB that are allocated: begins',
      'others need more than is free: OUT_OF_MEMORY',
    ]);
  },
);
