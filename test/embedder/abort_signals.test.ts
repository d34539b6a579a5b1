// Abort signals on calls of the real addon: they cancel the right calls and do not affect other
// calls.

import { getEventListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Embedder } from '../../lib';
import { longText, smallModel } from '../support/goldens.cjs';

let embedder: Embedder;
const text = 'a program that keeps photos in order';
let expected: Float32Array;

beforeAll(async () => {
  embedder = await Embedder.load(smallModel);
  expected = await embedder.embed(text);
});

afterAll(() => embedder.close());

it.each([0, 1, 5, 20, 100])(
  'a call cancelled after %i ms rejects with the reason, concurrent calls succeed',
  async (delay) => {
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error('changed my mind');
    const cancelled = [
      embedder.embed(longText(4_000), { signal }),
      embedder.embed(Array(100).fill(text), { signal, dimensions: 32 }),
      embedder.countTokens(longText(50_000), { signal }),
    ];
    const concurrent = Array.from({ length: 10 }, () => embedder.embed(text));
    const settled = Promise.allSettled(cancelled);
    if (delay > 0) await wait(delay);
    controller.abort(reason);
    for (const result of await settled) {
      if (delay === 0 || result.status === 'rejected')
        expect(result).toEqual({ status: 'rejected', reason });
    }
    for (const vector of await Promise.all(concurrent)) expect(vector).toEqual(expected);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  },
);

it('a cancelled call rejects before the work queued ahead of it ends', async () => {
  const controller = new AbortController();
  let ahead = false;
  const long = embedder.embed(longText(2_500)).then(() => (ahead = true));
  await wait(20);
  const call = embedder.embed(text, { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  expect(ahead).toBe(false);
  await long;
});

it('a call with an aborted signal does no work', async () => {
  await expect(embedder.embed(text, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
  await expect(embedder.embed([], { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
});

it('a call rejects with the reason of a timeout signal', async () => {
  const call = embedder.embed(longText(4_000), { signal: AbortSignal.timeout(5) });
  await expect(call).rejects.toMatchObject({ name: 'TimeoutError' });
});

it('a thousand calls leave no listener on their signal', async () => {
  const { signal } = new AbortController();
  const calls = Array.from({ length: 1_000 }, (_, i) =>
    i % 10 === 0 ? embedder.countTokens(text, { signal }) : embedder.embed('', { signal }),
  );
  await Promise.all(calls);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

it('a call that fails leaves no listener on its signal', async () => {
  const { signal } = new AbortController();
  await expect(embedder.embed(longText(30_000), { signal })).rejects.toMatchObject({
    code: 'INPUT_TOO_LONG',
  });
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

it('loading can be cancelled, and works the next time', async () => {
  const controller = new AbortController();
  const call = Embedder.load(smallModel, {
    precision: 'f32',
    signal: controller.signal,
    onProgress: () => controller.abort('enough'),
  });
  await expect(call).rejects.toBe('enough');
  const later = Embedder.load(smallModel, { precision: 'f32', signal: controller.signal });
  await expect(later).rejects.toBe('enough');
  await using loaded = await Embedder.load(smallModel, { precision: 'f32' });
  expect(loaded.precision).toBe('f32');
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});

it('closing does not wait for calls that are cancelled', async () => {
  const controller = new AbortController();
  const own = await Embedder.load(smallModel);
  const calls = Array.from({ length: 50 }, () =>
    own.embed(longText(500), { signal: controller.signal }),
  );
  const settled = Promise.allSettled(calls);
  const closing = own.close();
  controller.abort();
  await closing;
  expect((await settled).every((result) => result.status === 'rejected')).toBe(true);
  expect(await embedder.embed(text)).toEqual(expected);
});
