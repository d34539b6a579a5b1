// The package in a realm of its own, as in jest: what it returns and throws is of that realm.

import { expect, it } from 'vitest';
import { run, script } from '../support/child';
import { smallModel } from '../support/goldens.cjs';
import { newRealm } from '../support/realm';

const folder = smallModel;

it('vectors, lists, the device and promises are of the realm', async () => {
  const inRealm = newRealm({ folder });
  const found = await inRealm(`
    const embedder = await Embedder.load(folder);
    const vectors = await embedder.embed(['one', 'two']);
    const counts = await embedder.countTokens(['one', 'two']);
    const promise = embedder.close();
    await promise;
    return {
      vector: vectors[0] instanceof Float32Array && vectors[0].buffer instanceof ArrayBuffer,
      list: vectors instanceof Array && counts instanceof Array,
      device: embedder.device instanceof Object,
      promise: promise instanceof Promise,
    };`);
  expect(found).toEqual({ vector: true, list: true, device: true, promise: true });
  expect(await newRealm()('return new Float32Array(1)')).not.toBeInstanceOf(Float32Array);
});

it.each([
  ['EmbedderError', 'MODEL_NOT_FOUND', "Embedder.load('/no/such/folder')"],
  ['EmbedderError', 'DEVICE_UNAVAILABLE', "Embedder.load(folder, { device: 'cuda' })"],
  ['EmbedderError', 'PRECISION_UNSUPPORTED', "load({ device: 'cpu', precision: 'int8' })"],
  ['EmbedderError', 'INPUT_TOO_LONG', 'embed(new Uint32Array(40_000))'],
  ['TypeError', undefined, 'embed(5)'],
  ['TypeError', undefined, "embed('a text', { dimension: 32 })"],
  ['RangeError', undefined, "embed('a text', { dimensions: 8 })"],
  ['RangeError', undefined, 'embed(Uint32Array.of(4e9))'],
  ['RangeError', undefined, 'load({ threads: 5_000 })'],
])('an error is the %s of the realm, with code %s: %s', async (type, code, call) => {
  const inRealm = newRealm({ folder });
  const found = await inRealm(`
    const embedder = await Embedder.load(folder);
    const load = (options) => Embedder.load(folder, options);
    const embed = (...given) => embedder.embed(...given);
    const error = await ${call}.catch((error) => error);
    await embedder.close();
    const type = { EmbedderError, TypeError, RangeError }.${type};
    return { type: error instanceof type, code: error.code };`);
  expect(found).toEqual({ type: true, code });
});

it('a Float32Array class that has no memory is OUT_OF_MEMORY', async () => {
  const inRealm = newRealm({ folder });
  const code = await inRealm(`
    const embedder = await Embedder.load(folder);
    Float32Array = class { constructor() { throw new RangeError('allocation failed'); } };
    const error = await embedder.embed(['a text', 'another']).catch((error) => error);
    await embedder.close();
    return error.code;`);
  expect(code).toBe('OUT_OF_MEMORY');
});

it('a Float32Array class of another length is an error, and does not end the process', async () => {
  const ended = await run(
    script(`
      const embedder = await Embedder.load(folder);
      const Original = Float32Array;
      globalThis.Float32Array = class extends Original { constructor() { super(8); } };
      const calls = Array.from({ length: 100 }, () => embedder.embed(['a text', 'another']));
      const results = await Promise.allSettled(calls);
      const messages = new Set(results.map(({ reason }) => reason?.message));
      globalThis.Float32Array = Original;
      console.log(...messages, (await embedder.embed('a text')).length);`),
  );
  expect(ended).toEqual({
    code: 0,
    signal: null,
    stdout: 'a vector has 8 values, not 256 256\n',
    stderr: '',
  });
});
