// Abort signals on calls of the real addon: they cancel the right calls and do not affect other
// calls.

import { getEventListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Embedder } from '../../lib';
import { Folder } from '../../lib/checkpoint/folder';
import { longText, smallModel } from '../support/goldens.cjs';
import { loadCounting } from '../support/load_counting';
import { temporaryFolder } from '../support/temporary_folder';
import { tinyCheckpoint, writeCheckpoint } from '../support/tiny_checkpoint';

let embedder: Embedder;
/** The same model on the reference device, which takes seconds for 500 tokens. */
let slow: Embedder;
const text = 'a program that keeps photos in order';
const long = new Uint32Array(4_000);
let expected: Float32Array;

beforeAll(async () => {
  embedder = await Embedder.load(smallModel);
  slow = await Embedder.load(smallModel, { device: 'reference' });
  expected = await embedder.embed(text);
});

afterAll(() => Promise.all([embedder.close(), slow.close()]));

// None of the cancelled calls can finish before it is cancelled.
it.each([0, 1, 5, 20, 100])(
  'calls cancelled after %i ms reject with the reason, concurrent calls succeed',
  async (delay) => {
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error('changed my mind');
    const cancelled = [
      slow.embed(long, { signal }),
      slow.embed([text, long], { signal, dimensions: 32 }),
      embedder.countTokens(Array(10_000).fill(longText(500)), { signal }),
    ];
    const concurrent = Array.from({ length: 10 }, () => embedder.embed(text));
    const settled = Promise.allSettled(cancelled);
    if (delay > 0) await wait(delay);
    controller.abort(reason);
    expect(await settled).toEqual(cancelled.map(() => ({ status: 'rejected', reason })));
    for (const vector of await Promise.all(concurrent)) expect(vector).toEqual(expected);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  },
);

it('a cancelled call is not computed further', async () => {
  const calls = Array.from({ length: 20 }, () => {
    const controller = new AbortController();
    const call = slow.embed(long, { signal: controller.signal });
    return { call, controller };
  });
  await wait(20); // the first is being computed
  for (const { controller } of calls) controller.abort('enough');
  await Promise.allSettled(calls.map(({ call }) => call));
  expect(await embedder.embed(text)).toEqual(expected);
});

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
  let reports = 0;
  const call = Embedder.load(smallModel, {
    precision: 'f32',
    signal: controller.signal,
    onProgress: () => {
      reports++;
      controller.abort('enough');
    },
  });
  await expect(call).rejects.toBe('enough');
  const later = Embedder.load(smallModel, { precision: 'f32', signal: controller.signal });
  await expect(later).rejects.toBe('enough');
  await using loaded = await Embedder.load(smallModel, { precision: 'f32' });
  expect(loaded.precision).toBe('f32');
  expect(reports).toBe(1);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});

// After three microtasks the load has settled.
it.each([0, 1, 2])(
  'a load that is aborted %i microtasks after its files were compared keeps no model',
  async (turns) => {
    const folder = temporaryFolder();
    writeCheckpoint(folder, tinyCheckpoint());
    const controller = new AbortController();
    const { signal } = controller;
    vi.spyOn(Folder.prototype, 'refuseChanges').mockImplementationOnce(async () => {
      (async () => {
        for (let turn = 0; turn < turns; turn++) await undefined;
        controller.abort('enough');
      })();
    });
    await expect(Embedder.load(folder, { signal })).rejects.toBe('enough');
    const { embedder: again, read } = await loadCounting(folder);
    expect(read).toBeGreaterThan(0); // not shared with a model that was kept
    expect(await again.embed(Uint32Array.of(1, 2))).toHaveLength(32);
    await again.close();
  },
);

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
