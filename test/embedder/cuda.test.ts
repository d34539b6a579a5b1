// device: 'cuda' through the public API. The addon opens the emulated device of test/cuda_emulator
// as its CUDA library.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Embedder, type LoadOptions } from '../../lib';
import { run, script } from '../support/child';
import {
  apart,
  idsOf,
  limitOf,
  randomModel,
  randomModelNames,
  smallModel,
  textVectors,
} from '../support/goldens.cjs';
import { bin } from '../support/native_tests';
import { temporaryFolder } from '../support/temporary_folder';

const emulated = path.join(bin, 'libemulated_cuda.so');

process.env.QWEN3_EMBED_CUDA_LIBRARY = emulated;
process.env.QWEN3_EMULATOR_FAST = '1';

function truncated(file: string): string {
  const copy = path.join(temporaryFolder(), 'truncated.so');
  const bytes = readFileSync(file);
  writeFileSync(copy, bytes.subarray(0, bytes.length / 2));
  return copy;
}

const load = (model: string, options: LoadOptions = {}) =>
  Embedder.load(model, { device: 'cuda', ...options });

describe.each(randomModelNames)('%s', (name) => {
  const model = randomModel(name);
  const longest = name === 'layers28-bf16' ? 66 : 129; // the emulated device is slow
  const cases = model.cases.filter(({ length }) => length <= longest);

  it.each(['bf16', 'f16', 'int8'] as const)(
    'in %s, in a batch and alone',
    { timeout: 300_000 },
    async (precision) => {
      await using embedder = await load(model.folder, { precision });
      expect(embedder.precision).toBe(precision);
      const limit = limitOf(name, precision, embedder.device);
      const vectors = await embedder.embed(cases.map((golden) => idsOf(model, golden)));
      for (const [i, golden] of cases.entries()) {
        const alone = [1, 17].includes(golden.length)
          ? [await embedder.embed(idsOf(model, golden))]
          : [];
        for (const vector of [vectors[i] as Float32Array, ...alone]) {
          const { cosine } = apart(vector, golden.embedding);
          expect(cosine, `1 - cos at ${golden.length}`).toBeLessThanOrEqual(limit);
        }
      }
    },
  );
});

describe('the small model', () => {
  it.each(['bf16', 'f16', 'int8'] as const)(
    'in %s computes the vectors of sentence-transformers',
    { timeout: 300_000 },
    async (precision) => {
      await using embedder = await load(smallModel, { precision });
      const limit = limitOf('small-model', precision, embedder.device);
      for (const { name, text, instruction, embedding } of textVectors().cases.slice(0, 3)) {
        if (text === undefined) continue;
        expect(
          apart(await embedder.embed(text, { instruction }), embedding).cosine,
          name,
        ).toBeLessThanOrEqual(limit);
      }
    },
  );
});

describe('a batch', () => {
  const model = randomModel('gqa2-bf16');
  const texts = model.cases
    .filter(({ length }) => length <= 65)
    .map((golden) => idsOf(model, golden));

  it('does not change the bits of a vector with batchInvariant', { timeout: 300_000 }, async () => {
    await using embedder = await load(model.folder, { batchInvariant: true });
    const together = await embedder.embed(texts);
    for (const [i, text] of texts.entries()) {
      if (text.length > 17) continue;
      expect(await embedder.embed(text), `${text.length} tokens`).toEqual(together[i]);
    }
  });

  it('is limited by maxBatchTokens', { timeout: 300_000 }, async () => {
    // Batches of up to 64 tokens divide sums in another way than larger ones. So the bits show
    // whether a text of 17 tokens was in a small batch, as it is when alone.
    await using whole = await load(model.folder);
    await using limited = await load(model.folder, { maxBatchTokens: 40 });
    const index = texts.findIndex((text) => text.length === 17);
    const alone = await whole.embed(texts[index] as Uint32Array);
    expect((await whole.embed(texts))[index]).not.toEqual(alone);
    expect((await limited.embed(texts))[index]).toEqual(alone);
  });
});

describe('the device and precision', () => {
  it('are reported by the embedder', async () => {
    await using embedder = await load(smallModel);
    expect(embedder.device).toEqual({
      name: 'cuda',
      instructionSet: 'emulated device, sm_80',
      threads: 4,
    });
    expect(embedder.precision).toBe('bf16');
  });

  it('default to a GPU, and to the CPU for a precision that only it supports', async () => {
    await using onGpu = await load(smallModel, { device: 'auto' });
    expect(onGpu.device.name).toBe('cuda');
    await using onCpu = await load(smallModel, { device: 'auto', precision: 'f32' });
    expect([onCpu.device.name, onCpu.precision]).toEqual(['cpu', 'f32']);
  });

  it('are bf16 for a checkpoint in f32, f16 for one in f16', async () => {
    await using full = await load(randomModel('mha-sharded-f32').folder);
    await using half = await load(randomModel('wide-heads-f16').folder);
    expect([full.precision, half.precision]).toEqual(['bf16', 'f16']);
  });

  it('are rejected if the GPU or the precision is not supported', async () => {
    await expect(Embedder.load(smallModel, { device: 'cuda:1' })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringMatching(
        /cannot open CUDA device 1: there is no CUDA device with that number/,
      ),
    });
    await expect(
      Embedder.load(smallModel, { device: 'cuda', precision: 'f32' }),
    ).rejects.toMatchObject({
      code: 'PRECISION_UNSUPPORTED',
      message: expect.stringMatching(/bf16, f16, int8/),
    });
  });
});

// A process loads the library once, so each of these tests uses its own process.
describe('a process', () => {
  const cuda = (file: string, body: string) =>
    script(`process.env.QWEN3_EMBED_CUDA_LIBRARY = ${JSON.stringify(file)};\n${body}`);
  const body = `
    const print = (error) => console.log(error.name, error.code, error.message);
    await Embedder.load(folder, { device: 'cuda' }).catch(print);
    const embedder = await Embedder.load(folder, { device: 'auto' });
    console.log(embedder.device.name, (await embedder.embed('a text')).length);`;

  it.each([
    [
      'has no library',
      path.join(bin, 'nothing.so'),
      /CUDA library is missing: .*nothing\.so is not a file/,
    ],
    [
      'has another file in its place',
      path.join(smallModel, 'tokenizer.json'),
      /cannot load the CUDA library: |truncated/,
    ],
    ['has a truncated one', truncated(emulated), /is truncated: install the package again/],
    [
      'has one of another project',
      path.join(__dirname, '..', '..', 'build', 'Release', 'qwen3_embed.node'),
      /is not a CUDA library of this package/,
    ],
    [
      'has one of another release',
      path.join(bin, 'libother_version.so'),
      /has interface version 0, this package needs \d+/,
    ],
  ])('that %s gets an error, and can use the CPU', async (_, file, message) => {
    const { code, stdout, stderr } = await run(cuda(file, body));
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^EmbedderError DEVICE_UNAVAILABLE /);
    expect(stdout).toMatch(message);
    expect(stdout).toMatch(/^cpu 256$/m);
    expect(code).toBe(0);
    process.env.NODE_DEBUG = 'qwen3-embed'; // children inherit it
    const debugged = await run(cuda(file, body)).finally(() => delete process.env.NODE_DEBUG);
    expect(debugged.stderr).toMatch(message);
  });

  it('opens one library, whatever the variable says later', async () => {
    const model = JSON.stringify(randomModel('gqa2-bf16').folder);
    const body = `
      await Embedder.load(${model}, { device: 'cuda' });
      process.env.QWEN3_EMBED_CUDA_LIBRARY = 'nothing.so';
      const embedder = await Embedder.load(${model}, { device: 'cuda', precision: 'f16' });
      console.log(embedder.device.name);`;
    const { stdout } = await run(cuda(emulated, body));
    expect(stdout).toBe('cuda\n');
  });

  it('rejects invalid tuning with the list of valid values, and applies valid tuning', async () => {
    const body = `
      for (const tuning of ['split_k_blocks=1025', 'small_tokens=8']) {
        process.env.QWEN3_EMBED_CUDA_TUNING = tuning;
        const print = (error) => console.log(error.code, error.message);
        const embedder = await Embedder.load(folder, { device: 'cuda' }).catch(print);
        if (embedder) console.log(tuning, embedder.device.name);
      }`;
    const { code, stdout, stderr } = await run(cuda(emulated, body));
    expect(stderr).toBe('');
    const [error] = stdout.split('\n');
    expect(error).toMatch(/^DEVICE_UNAVAILABLE .*QWEN3_EMBED_CUDA_TUNING must be /);
    expect(error).toMatch(/ has 'split_k_blocks=1025'.*; split_k_blocks=1 to 1024; /);
    expect(stdout).toMatch(/^small_tokens=8 cuda$/m);
    expect(code).toBe(0);
  });

  it('survives a device failure, after which the device stays unusable', async () => {
    const model = JSON.stringify(randomModel('gqa2-bf16').folder);
    const body = `
      Object.assign(process.env, { QWEN3_EMULATOR_FAIL_CALL: '700', QWEN3_EMULATOR_FAST: '1' });
      const print = (error) => console.log(error.name, error.code, error.message);
      const ids = new Uint32Array(5).fill(7);
      const embedder = await Embedder.load(${model}, { device: 'cuda' });
      for (let i = 0; i < 60; ++i) await embedder.embed(ids).catch(print);
      const other = await Embedder.load(folder, { device: 'cpu' });
      console.log((await other.embed('a text')).length);
      await embedder.close();
      console.log('closed');`;
    const { code, stdout, stderr } = await run(cuda(emulated, body));
    const lines = stdout.trim().split('\n');
    expect(stderr).toBe('');
    expect(lines.slice(-2)).toEqual(['256', 'closed']);
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines.slice(0, -2))
      expect(line).toBe('EmbedderError DEVICE_FAILED an injected fault');
    expect(code).toBe(0);
  });

  it('fails before loading if the weights do not fit, else lowers maxTokens', async () => {
    const model = JSON.stringify(randomModel('gqa2-bf16').folder);
    const body = (bytes: number) => `
      Object.assign(process.env, { QWEN3_EMULATOR_BYTES: '${bytes}', QWEN3_EMULATOR_FAST: '1' });
      const print = (error) => console.log(error.code, error.message);
      const embedder = await Embedder.load(${model}, { device: 'cuda' }).catch(print);
      if (!embedder) process.exit();
      console.log('loaded', embedder.maxTokens);
      const longer = new Uint32Array(embedder.maxTokens + 1).fill(7);
      await embedder.embed([longer]).catch(print);
      const texts = Array.from({ length: 12 }, (_, i) => new Uint32Array(70).fill(i));
      const [alone] = await embedder.embed([texts[11]]);
      const vectors = await embedder.embed(texts);
      console.log(vectors.length, alone.every((value, i) => value === vectors[11][i]));`;
    const small = await run(cuda(emulated, body(8 << 20)));
    expect(small.stdout).toMatch(
      /^OUT_OF_MEMORY the model needs \d+ MiB in this precision, 4 MiB are free/,
    );
    const middle = await run(cuda(emulated, body(33 << 20)));
    expect(middle.stdout).toMatch(/^loaded 6\d\d\nINPUT_TOO_LONG .*\n12 true$/m);
  });
});
