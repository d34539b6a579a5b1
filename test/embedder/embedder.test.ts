// The public API, with the real addon.

import { readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { serialize, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Embedder, EmbedderError, type Input, type Vector } from '../../lib';
import { addon } from '../../lib/addon/binary';
import type { LoadedModel, Pending } from '../../lib/addon/types';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { Folder } from '../../lib/checkpoint/folder';
import { Tokenizer } from '../../lib/text/tokenizer';
import { idsOf, randomModel, smallModel } from '../support/goldens.cjs';
import { loadCounting } from '../support/load_counting';
import { randomNumbers } from '../support/random_numbers.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import { tinyCheckpoint, withHeader, writeCheckpoint } from '../support/tiny_checkpoint';

let small: Embedder;

beforeAll(async () => {
  small = await Embedder.load(smallModel);
});

afterAll(() => small.close());

// Spies keep their arguments in memory.
afterEach(() => {
  vi.restoreAllMocks();
});

const failure = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => expect.fail('the call succeeded'),
    (error) => error,
  );

const nativeRequest = (device: string) =>
  ({ device, precision: 'f32', threads: 0, instructionSet: '', cudaLibrary: '' }) as const;

/** The small model, loaded without `Embedder`. */
async function nativeModel(device: string): Promise<number> {
  const { source } = await readCheckpoint(smallModel);
  const loaded = await addon.load(source, nativeRequest(device), undefined).promise;
  return (loaded as LoadedModel).model;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

describe('load', () => {
  it('reports what was loaded', () => {
    expect(small.dimensions).toBe(256);
    expect(small.maxTokens).toBe(32_768);
    expect(small.precision).toBe('bf16');
    expect(small.model).toBe(smallModel);
    expect(small.device).toEqual({
      name: 'cpu',
      instructionSet: expect.any(String),
      threads: expect.toSatisfy((threads: number) => threads >= 1),
    });
  });

  it('uses f32 if the device does not support the checkpoint’s own precision', async () => {
    await using embedder = await Embedder.load(randomModel('wide-heads-f16').folder);
    expect(embedder.precision).toBe('f32');
    await using plain = await Embedder.load(smallModel, { device: 'reference' });
    expect([plain.precision, plain.device.name]).toEqual(['f32', 'reference']);
  });

  it('rejects a precision that the device does not support, listing supported ones', async () => {
    for (const precision of ['f16', 'int8'] as const) {
      expect(await failure(Embedder.load(smallModel, { device: 'cpu', precision }))).toMatchObject({
        code: 'PRECISION_UNSUPPORTED',
        message: expect.stringMatching(/f32, bf16/),
      });
    }
    expect(
      await failure(Embedder.load(smallModel, { device: 'cuda', precision: 'f32' })),
    ).toMatchObject({
      code: 'PRECISION_UNSUPPORTED',
      message: expect.stringMatching(/bf16, f16, int8/),
    });
    expect(
      await failure(Embedder.load(smallModel, { device: 'reference', precision: 'bf16' })),
    ).toMatchObject({
      code: 'PRECISION_UNSUPPORTED',
    });
  });

  it('gives each embedder its own number of threads, also after a load that failed', async () => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    writeFileSync(path.join(folder, 'tokenizer.json'), '{}');
    for (const threads of [5, 1, 2]) {
      expect(await failure(Embedder.load(folder, { threads }))).toMatchObject({
        code: 'MODEL_INVALID',
      });
    }
    for (const threads of [1, 3]) {
      await using embedder = await Embedder.load(smallModel, { threads });
      expect(embedder.device.threads).toBe(threads);
    }
    await using unlimited = await Embedder.load(smallModel);
    expect(unlimited.device).toEqual(small.device);
  });

  it('rejects invalid arguments, missing folders and aborted signals', async () => {
    expect(await failure(Embedder.load(5 as never))).toBeInstanceOf(TypeError);
    expect(await failure(Embedder.load(smallModel, { device: 'gpu' as never }))).toBeInstanceOf(
      RangeError,
    );
    expect(await failure(Embedder.load('/nowhere'))).toBeInstanceOf(EmbedderError);
    expect(await failure(Embedder.load('/nowhere', { signal: AbortSignal.abort('gone') }))).toBe(
      'gone',
    );
  });

  it('rejects a broken tokenizer, and keeps no model', async () => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    const tokenizer = path.join(folder, 'tokenizer.json');
    writeFileSync(tokenizer, '{}');
    const load = vi.spyOn(addon, 'load');
    const cancel = vi.spyOn(addon, 'cancel');
    expect(await failure(Embedder.load(folder))).toMatchObject({ code: 'MODEL_INVALID' });
    const started: Pending<unknown> | undefined = load.mock.results[0]?.value;
    expect(cancel).toHaveBeenCalledWith(started?.ticket);

    // Here the weights are loaded before the tokenizer fails.
    vi.spyOn(Tokenizer, 'open').mockImplementationOnce(async () => {
      await wait(200);
      throw new EmbedderError('MODEL_INVALID', 'late');
    });
    expect((await failure(Embedder.load(folder))).message).toBe('late');
    rmSync(tokenizer);
    const { embedder, read } = await loadCounting(folder);
    expect(read).toBeGreaterThan(0); // not shared with a model that was kept
    await embedder.close();
  });

  it('frees the tokenizer on close, garbage collection, or a late failure', async () => {
    const close = vi.spyOn(addon, 'closeTokenizer');
    await (await Embedder.load(smallModel)).close();
    expect(close).toHaveBeenCalledOnce();

    await expect
      .poll(async () => {
        collectGarbage();
        await wait(20);
        await Embedder.load(smallModel);
        return close.mock.calls.length;
      })
      .toBeGreaterThan(3);

    const before = close.mock.calls.length;
    vi.spyOn(Folder.prototype, 'refuseChanges').mockRejectedValueOnce(new Error('changed'));
    expect((await failure(Embedder.load(smallModel))).message).toBe('changed');
    expect(close.mock.calls.length).toBeGreaterThan(before);
    const closed = close.mock.calls.flat();
    expect(new Set(closed).size).toBe(closed.length); // each once
  });

  it('rejects a model that is larger than the memory, and reports both sizes', async () => {
    const folder = temporaryFolder();
    const { config, tensors } = tinyCheckpoint();
    const [rows, hidden] = [2 ** 23, 2 ** 16];
    let end = 0;
    const header = Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const full = name.startsWith('embed')
        ? [rows, hidden]
        : shape.map((size) => (size === 32 ? hidden : size));
      const begin = end;
      end += 2 * full.reduce((product, size) => product * size, 1);
      return [name, { dtype, shape: full, data_offsets: [begin, end] }];
    });
    const start = withHeader(JSON.stringify(Object.fromEntries(header)), Buffer.alloc(0));
    const file = path.join(folder, 'model.safetensors');
    writeFileSync(
      path.join(folder, 'config.json'),
      JSON.stringify({ ...config, vocab_size: rows, hidden_size: hidden }),
    );
    writeFileSync(file, start);
    // A sparse file: a terabyte that uses no disk space.
    truncateSync(file, start.length + end);
    expect(await failure(Embedder.load(folder))).toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(/\d+ MiB.*\d+ MiB/),
    });
  });

  it('rejects files that are truncated after their headers were read', async () => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    const { source } = await readCheckpoint(folder);
    truncateSync(path.join(folder, 'model.safetensors'), 20_000);
    const { promise } = addon.load(source, nativeRequest('cpu'), undefined);
    expect(await failure(promise)).toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('reports progress in bytes, up to all of them', async () => {
    const seen: { loaded: number; total: number }[] = [];
    await using embedder = await Embedder.load(smallModel, {
      precision: 'f32',
      onProgress: (now) => seen.push(now),
    });
    expect(embedder.precision).toBe('f32');
    expect(seen.length).toBeGreaterThan(1);
    for (const [index, { loaded, total }] of seen.entries()) {
      expect(loaded).toBeGreaterThan(seen[index - 1]?.loaded ?? 0);
      expect(total).toBe(seen[0]?.total);
    }
    expect(seen.at(-1)?.loaded).toBe(seen[0]?.total);
  });

  it('rejects with the error that onProgress throws', async () => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    const onProgress = () => {
      throw new Error('enough');
    };
    expect(await failure(Embedder.load(folder, { onProgress }))).toEqual(new Error('enough'));
  });

  it('shares weights until the last embedder is closed or garbage-collected', async () => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    const link = path.join(temporaryFolder(), 'link');
    symlinkSync(folder, link);
    const first = await loadCounting(folder);
    expect(first.read).toBeGreaterThan(0);
    const second = await loadCounting(link);
    expect(second.read).toBe(0);
    const ids = Uint32Array.of(1, 2, 3);
    const vector = await first.embedder.embed(ids);
    await first.embedder.close();
    expect(await second.embedder.embed(ids)).toEqual(vector);
    await second.embedder.close();

    // The engine may hold the model for a moment after its last call.
    await expect
      .poll(async () => {
        const third = await loadCounting(folder);
        if (third.read === 0) await third.embedder.close();
        return third.read;
      })
      .toBeGreaterThan(0);
    await expect
      .poll(async () => {
        collectGarbage();
        await wait(20);
        return (await loadCounting(folder)).read;
      })
      .toBeGreaterThan(0);
  });
});

describe('embed', () => {
  it('returns a vector for one input and an array for an array', async () => {
    const one = await small.embed('a program');
    expect(one).toBeInstanceOf(Float32Array);
    expect(one).toHaveLength(256);
    expect(Math.hypot(...one)).toBeCloseTo(1, 6);
    expect(await small.embed(['a program'])).toEqual([one]);
    expect(await small.embed([])).toEqual([]);
  });

  it('embeds token ids unchanged, alone and among texts', async () => {
    const text = await small.embed('import');
    const count = await small.countTokens('import');
    expect(count).toBe(3);
    const golden = Uint32Array.of(16379);
    const [empty, ids, again] = await small.embed(['', golden, 'import']);
    expect(ids).toEqual(empty);
    expect(again).toEqual(text);
    expect(await small.countTokens(['', golden, 'import'])).toEqual([1, 1, 3]);
  });

  it('puts prompts and instructions before the text', async () => {
    const instruction = 'Given a short summary, retrieve the software package it describes';
    const written = await small.embed(`Instruct: ${instruction}\nQuery:mail client`);
    expect(await small.embed('mail client', { instruction })).toEqual(written);
    expect(await small.embed('mail client', { prompt: 'query' })).toEqual(written);
    expect(await small.embed('mail client', { prompt: 'document' })).toEqual(
      await small.embed('mail client'),
    );
    expect(await small.countTokens('mail client', { prompt: 'query' })).toBeGreaterThan(10);
  });

  it('returns the arrays that native code wrote, without a copy', async () => {
    const single = await small.embed('four');
    expect(addon.addressOf(single)).toBe(addon.lastPooledAddress());
    const many = await small.embed(Array.from({ length: 300 }, (_, i) => `text ${i}`));
    expect(many.map((vector) => addon.addressOf(vector))).toContain(addon.lastPooledAddress());
  });

  it('keeps the arrays that native code writes to', async () => {
    const model = await nativeModel('reference');
    const { ticket, promise } = addon.embed(model, 1, 256, 1, false, 1);
    const add = () => {
      const vector = new Float32Array(256);
      addon.addTexts(ticket, Uint32Array.of(1), Uint32Array.of(1), [vector]);
      return new WeakRef(vector);
    };
    const vector = add();
    for (let i = 0; i < 5; i++) {
      await wait(5);
      collectGarbage();
    }
    expect(vector.deref()).toBeDefined();
    addon.submit(ticket);
    await promise;
    expect(Math.hypot(...(vector.deref() as Float32Array))).toBeCloseTo(1, 5);
    addon.unload(model);
  });

  // Elsewhere the free memory is not known.
  it.runIf(process.platform === 'linux')('refuses more vectors than the memory holds', async () => {
    const model = await nativeModel('cpu');
    expect(() => addon.embed(model, 2 ** 32 - 1, 256, 1, false, 1)).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/need \d{7} MiB, \d+ MiB are free/),
      }),
    );
    addon.unload(model);
  });

  it('gives each vector memory of its own', async () => {
    const vectors = await small.embed(['one', 'two', 'three'], { dimensions: 64 });
    const [one, two, three] = vectors as [Vector, Vector, Vector];
    const copy = Float32Array.from(two);
    expect(Buffer.from(one.buffer)).toHaveLength(64 * 4);
    expect(serialize(one).length).toBeLessThan(64 * 4 + 100);
    structuredClone(one, { transfer: [one.buffer] });
    expect([one.length, two.length, three.length]).toEqual([0, 64, 64]);
    expect(two).toEqual(copy);
  });

  it('truncates a long input on request, and otherwise rejects it by its index', async () => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    await using tiny = await Embedder.load(folder);
    const long = Uint32Array.from({ length: 300 }, (_, i) => i % 64);
    const cut = Uint32Array.from([...long.subarray(0, 255), long[299] as number]);
    const expected = await tiny.embed(cut);
    expect(await tiny.embed(long, { truncate: 'end' })).toEqual(expected);
    expect(await failure(tiny.embed([cut, long]))).toMatchObject({
      code: 'INPUT_TOO_LONG',
      message: expect.stringMatching(/input\[1\] has 300 tokens, but the limit is 256/),
    });
    expect(await tiny.countTokens(long)).toBe(300);
    expect(await failure(tiny.embed('text'))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
    expect(await failure(tiny.embed(Uint32Array.of(64)))).toBeInstanceOf(RangeError);
    expect(await tiny.embed(cut)).toEqual(expected);
  });

  it('keeps the end token of a truncated text', async () => {
    const folder = temporaryFolder();
    for (const file of ['model.safetensors', 'tokenizer.json']) {
      symlinkSync(path.join(smallModel, file), path.join(folder, file));
    }
    const config = JSON.parse(readFileSync(path.join(smallModel, 'config.json'), 'utf8'));
    writeFileSync(
      path.join(folder, 'config.json'),
      JSON.stringify({ ...config, max_position_embeddings: 3 }),
    );
    await using short = await Embedder.load(folder);
    // "import" is two tokens, "importance" begins with them and has one more.
    expect(await short.embed('importance', { truncate: 'end' })).toEqual(
      await small.embed('import'),
    );
    expect(await failure(short.embed(['import', 'importance']))).toMatchObject({
      code: 'INPUT_TOO_LONG',
      message: expect.stringMatching(/input\[1\] has more than 3 tokens, but the limit is 3/),
    });
  });

  it('accepts any string', async () => {
    const odd = [
      '',
      ' ',
      '\0',
      '\ud800',
      'a\udfffb',
      '\u202e',
      '\u0301'.repeat(500),
      '😀'.repeat(200),
      '<|endoftext|>',
    ];
    for (const vector of await small.embed(odd)) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(await small.embed('a\ud800b')).toEqual(await small.embed('a\ufffdb'));
  });

  it('parses special tokens in a text, reads them as text, or rejects them', async () => {
    const text = 'a <|im_start|> b';
    const parsed = await small.countTokens(text);
    expect(await small.countTokens(text, { specialTokens: 'text' })).toBeGreaterThan(parsed);
    const error = await failure(small.embed(['fine', text], { specialTokens: 'error' }));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toMatch(/input\[1\] contains the special token <\|im_start\|>/);
    expect(await small.embed('fine', { specialTokens: 'error' })).toEqual(
      await small.embed('fine'),
    );
  });

  it('rejects invalid arguments before any work, and still works', async () => {
    const before = await small.embed('text');
    expect(await failure(small.embed(5 as never))).toBeInstanceOf(TypeError);
    expect(await failure(small.embed('text', 7 as never))).toBeInstanceOf(TypeError);
    expect(await failure(small.embed('text', { dimensions: 300 }))).toBeInstanceOf(RangeError);
    expect(await failure(small.embed('text', { prompt: 'none' }))).toBeInstanceOf(RangeError);
    expect(await failure(small.embed(Uint32Array.of(1), { prompt: 'query' }))).toBeInstanceOf(
      TypeError,
    );
    expect(await failure(small.embed([Uint32Array.of(1), Uint32Array.of(16_384)]))).toBeInstanceOf(
      RangeError,
    );
    expect(await failure(small.countTokens('text', { dimensions: 32 } as never))).toBeInstanceOf(
      TypeError,
    );
    expect(await small.embed('text')).toEqual(before);
  });
});

it('a query does not wait for all of a large call', async () => {
  const settled: string[] = [];
  // Few enough texts that all are queued before the query, and enough tokens for twenty batches.
  const large = Array.from({ length: 256 }, (_, i) => new Uint32Array(40).fill(i));
  await Promise.all([
    small.embed(large).then(() => settled.push('large')),
    small.embed(Uint32Array.of(42)).then(() => settled.push('query')),
  ]);
  expect(settled).toEqual(['query', 'large']);
});

describe('same text, same bits', () => {
  it('alone, in any batch and order, with any maxBatchTokens', { timeout: 120_000 }, async () => {
    const model = randomModel('mha-sharded-f32');
    const random = randomNumbers(7);
    const texts = Array.from({ length: 40 }, (_, i) => {
      const length = Math.ceil(2 ** (random() * 9));
      return idsOf(model, { length, lcg_seed: i, lcg_low: 0 });
    });
    for (const precision of ['f32', 'bf16'] as const) {
      const alone: Float32Array[] = [];
      for (const maxBatchTokens of [undefined, 1, 64, 4_096]) {
        await using embedder = await Embedder.load(model.folder, { precision, maxBatchTokens });
        if (alone.length === 0) for (const text of texts) alone.push(await embedder.embed(text));
        for (let round = 0; round < 10; round++) {
          const drawn = Array.from({ length: 1 + Math.floor(random() * 30) }, () =>
            Math.floor(random() * texts.length),
          );
          const half = drawn.splice(0, Math.floor(random() * drawn.length));
          const calls = [half, drawn].map((call) =>
            embedder.embed(call.map((i) => texts[i] as Input)),
          );
          const [first, second] = await Promise.all(calls);
          expect(first).toEqual(half.map((i) => alone[i]));
          expect(second).toEqual(drawn.map((i) => alone[i]));
        }
      }
    }
  });

  it('with any number of threads, also of embedders that share weights and a queue', async () => {
    const texts = Array.from(
      { length: 12 },
      (_, i) => `a program that does thing ${i}${' well. '.repeat(i * i)}`,
    );
    const expected = await small.embed(texts);
    let read = 0;
    const embedders = await Promise.all(
      [1, 2, 3, 8].map((threads) =>
        Embedder.load(smallModel, { threads, onProgress: () => read++ }),
      ),
    );
    expect(read).toBe(0);
    const calls = Array.from({ length: 3 }, () => embedders.map((each) => each.embed(texts)));
    for (const rows of await Promise.all(calls.flat())) expect(rows).toEqual(expected);
    await Promise.all(embedders.map((embedder) => embedder.close()));
  });

  it('while other models compute', async () => {
    const models = ['gqa2-bf16', 'wide-heads-f16', 'massive-bf16'] as const;
    const embedders = await Promise.all(
      models.map((name) => Embedder.load(randomModel(name).folder)),
    );
    const ids = Uint32Array.of(40, 41, 42);
    const alone: Float32Array[] = [];
    for (const embedder of embedders) alone.push(await embedder.embed(ids));
    const calls = Array.from({ length: 60 }, (_, i) => embedders[i % 3]?.embed(ids));
    expect(await Promise.all(calls)).toEqual(calls.map((_, i) => alone[i % 3]));
    await Promise.all(embedders.map((embedder) => embedder.close()));
  });
});

describe('a text without a finite vector', () => {
  const bad = Uint32Array.of(3, 7);
  const good = [Uint32Array.of(1), Uint32Array.of(2, 3, 4), Uint32Array.of(5, 6)];
  const withNaN = (rows: readonly number[]) => {
    const folder = temporaryFolder();
    const checkpoint = tinyCheckpoint();
    const embeddings = checkpoint.tensors['embed_tokens.weight']?.values as number[];
    for (const row of rows) embeddings[row * 32 + 5] = Number.NaN;
    writeCheckpoint(folder, checkpoint);
    return folder;
  };

  it.each(['cpu', 'reference'] as const)(
    'fails without affecting other texts on %s',
    async (device) => {
      await using intact = await Embedder.load(withNaN([]), { device });
      const expected = await intact.embed(good);
      await using embedder = await Embedder.load(withNaN([7]), { device });
      const failing = failure(
        embedder.embed([good[0] as Uint32Array, bad, good[1] as Uint32Array]),
      );
      const others = embedder.embed(good);
      expect(await failing).toMatchObject({
        code: 'NON_FINITE',
        indices: [1],
        vectors: [expected[0], null, expected[1]],
        message: expect.stringContaining('input 1'),
      });
      expect(await others).toEqual(expected);
      expect(await failure(embedder.embed(bad))).toMatchObject({
        code: 'NON_FINITE',
        indices: [0],
        vectors: [null],
      });
      expect(await embedder.embed(good)).toEqual(expected);
    },
  );

  it('is reported for every text if all embeddings are NaN', async () => {
    await using embedder = await Embedder.load(
      withNaN(Array.from({ length: 64 }, (_, row) => row)),
    );
    const error = await failure(embedder.embed(Array(20).fill(bad)));
    expect(error).toMatchObject({ code: 'NON_FINITE', message: expect.stringContaining(', ...') });
    expect((error as EmbedderError).indices).toHaveLength(20);
  });
});

describe('close', () => {
  it('waits for running calls, rejects later ones, and may be called again', async () => {
    const embedder = await Embedder.load(smallModel);
    const expected = await embedder.embed('a text');
    const running = Array.from({ length: 50 }, () => embedder.embed('a text'));
    const counting = embedder.countTokens('a text');
    const settled: string[] = [];
    Promise.all([...running, counting]).then(() => settled.push('calls'));
    const closing = embedder.close().then(() => settled.push('close'));
    expect(embedder.close()).toBe(embedder.close());
    const late = [embedder.embed('a text'), embedder.countTokens('a text')];
    for (const call of late) expect(await failure(call)).toMatchObject({ code: 'CLOSED' });
    await closing;
    expect(settled).toEqual(['calls', 'close']);
    for (const vector of await Promise.all(running)) expect(vector).toEqual(expected);
    expect(await counting).toBeGreaterThan(1);
    await Promise.all([embedder.close(), embedder.close(), embedder[Symbol.asyncDispose]()]);
    expect(embedder.dimensions).toBe(256);
  });
});
