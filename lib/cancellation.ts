// Cancellation of a call, by its caller's signal or by the call itself.

/**
 * Runs `work` and settles with its result. Rejects as soon as `signal` is aborted (with the
 * signal's reason) or `work` calls `cancel` (with the reason passed to it); both abort `cancelled`.
 * If `signal` is already aborted, `work` is not started. No listener remains on `signal` after the
 * promise has settled.
 */
export function cancellable<T>(
  signal: AbortSignal | undefined,
  work: (cancelled: AbortSignal, cancel: (reason: unknown) => void) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const cancel = (reason: unknown) => {
      unlisten();
      reject(reason);
      controller.abort(reason);
    };
    const unlisten = signal ? listen(signal, () => cancel(signal.reason)) : () => {};
    work(controller.signal, cancel).finally(unlisten).then(resolve, reject);
  });
}

// Callbacks by signal. All callbacks of a signal share one listener, because Node warns of a leak
// when a signal has more than ten listeners.
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `callback` when `signal` is aborted. Returns a function that removes the callback. */
function listen(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = waiting.get(signal);
  if (!callbacks) {
    callbacks = new Set();
    waiting.set(signal, callbacks);
    signal.addEventListener('abort', callAll, { once: true });
  }
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0 || waiting.get(signal) !== callbacks) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', callAll);
  };
}

function callAll(event: Event): void {
  for (const callback of waiting.get(event.target as AbortSignal) ?? []) callback();
}
