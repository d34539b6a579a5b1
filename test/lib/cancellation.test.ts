import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { cancellable } from '../../lib/cancellation';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;
const never = new Promise<never>(() => {});

it('settles with the result of the work, and leaves no listener', async () => {
  const { signal } = new AbortController();
  await expect(cancellable(signal, async () => 5)).resolves.toBe(5);
  await expect(cancellable(signal, () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  );
  await expect(cancellable(undefined, async () => 6)).resolves.toBe(6);
  expect(listeners(signal)).toBe(0);
});

it('rejects at once with the signal’s own reason, and reports it to the work', async () => {
  const controller = new AbortController();
  const reason = { any: 'value' };
  let reported: unknown;
  const call = cancellable(controller.signal, (cancellation) => {
    cancellation.onCancel(() => {
      reported = cancellation.reason;
    });
    return never;
  });
  controller.abort(reason);
  await expect(call).rejects.toBe(reason);
  expect(reported).toBe(reason);
  expect(listeners(controller.signal)).toBe(0);
});

it('starts no work if the signal is already aborted', async () => {
  let started = false;
  const work = async () => {
    started = true;
  };
  await expect(cancellable(AbortSignal.abort('gone'), work)).rejects.toBe('gone');
  expect(started).toBe(false);
});

it('rejects with the reason of work that cancels itself, also if it is aborted later', async () => {
  const controller = new AbortController();
  let reasons = 0;
  const call = cancellable(controller.signal, async (cancellation) => {
    expect(() => cancellation.throwIfCancelled()).not.toThrow();
    cancellation.onCancel(() => reasons++);
    cancellation.cancel(new Error('broken'));
    cancellation.cancel(new Error('again'));
    expect(cancellation.cancelled).toBe(true);
    expect(() => cancellation.throwIfCancelled()).toThrow('broken');
    return never;
  });
  expect(listeners(controller.signal)).toBe(0);
  controller.abort();
  await expect(call).rejects.toThrow('broken');
  expect(reasons).toBe(1);
});

it('ignores a failure of work that is already cancelled', async () => {
  const controller = new AbortController();
  let fail = (_: Error) => {};
  const call = cancellable(controller.signal, () => new Promise((_, reject) => (fail = reject)));
  controller.abort();
  await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  fail(new Error('after cancellation'));
  await new Promise(setImmediate);
});

it('lets a thousand calls wait on one signal without a warning', async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  const controller = new AbortController();
  const calls = Array.from({ length: 1_000 }, () => cancellable(controller.signal, () => never));
  await expect(cancellable(controller.signal, async () => 'done')).resolves.toBe('done');
  controller.abort();
  const results = await Promise.allSettled(calls);
  expect(results.every((result) => result.status === 'rejected')).toBe(true);
  expect(listeners(controller.signal)).toBe(0);
  await new Promise(setImmediate);
  process.off('warning', listen);
  expect(warnings).toEqual([]);
});

/** A signal as written before signals had reasons. `event` is what its listeners receive. */
function oldSignal(event?: object) {
  const listeners = new Set<(event?: object) => void>();
  const signal = {
    aborted: false,
    addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
    removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
  };
  const abort = () => {
    signal.aborted = true;
    for (const listener of listeners) listener(event);
  };
  return { signal, listeners, abort };
}

it.each([
  ['no event', undefined],
  ['an event without a target', { type: 'abort' }],
  ['an event of another target', { type: 'abort', target: new AbortController().signal }],
])('a signal of another library that passes %s cancels all its calls', async (_, event) => {
  const { signal, listeners, abort } = oldSignal(event);
  await expect(cancellable(signal, async () => 5)).resolves.toBe(5);
  expect(listeners.size).toBe(0);
  const calls = [cancellable(signal, () => never), cancellable(signal, () => never)];
  expect(listeners.size).toBe(1);
  abort();
  for (const call of [...calls, cancellable(signal, () => never)]) {
    await expect(call).rejects.toBeInstanceOf(Error);
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  }
  expect(listeners.size).toBe(0);
});

it('rejects with the reason of another library’s signal', async () => {
  const { signal, abort } = oldSignal();
  const call = cancellable(Object.assign(signal, { reason: null }), () => never);
  abort();
  await expect(call).rejects.toBe(null);
});

it('a proxy of a signal cancels calls', async () => {
  const controller = new AbortController();
  const proxy = new Proxy(controller.signal, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const call = cancellable(proxy, () => never);
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
  expect(listeners(controller.signal)).toBe(0);
});

it('a signal that refuses listeners is an error, each time', async () => {
  const { signal } = oldSignal();
  signal.addEventListener = () => {
    throw new TypeError('not here');
  };
  for (let i = 0; i < 2; i++)
    await expect(cancellable(signal, () => never)).rejects.toThrow('not here');
});

it('a signal that is aborted while a listener is added cancels the call', async () => {
  const { signal, listeners } = oldSignal();
  const { addEventListener } = signal;
  signal.addEventListener = (type, listener) => {
    addEventListener(type, listener);
    signal.aborted = true;
  };
  let started = false;
  const work = async () => {
    started = true;
  };
  await expect(cancellable(signal, work)).rejects.toMatchObject({ name: 'AbortError' });
  expect(started).toBe(false);
  expect(listeners.size).toBe(0);
});

it('a signal that keeps its listeners does not change the result', async () => {
  const { signal, abort } = oldSignal();
  signal.removeEventListener = () => {
    throw new TypeError('not here');
  };
  await expect(cancellable(signal, async () => 5)).resolves.toBe(5);
  const call = cancellable(signal, () => never);
  abort();
  await expect(call).rejects.toMatchObject({ name: 'AbortError' });
});
