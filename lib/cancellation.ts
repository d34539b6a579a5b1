// Ends a call early: at its caller's signal, or for a reason of its own.

/**
 * Runs `work` and settles as it does, or rejects with the reason as soon as `signal` is aborted or `cancel` is called.
 * `work` learns of it through `cancelled`. Whatever happens, no listener stays on `signal`.
 */
export function cancellable<T>(
  signal: AbortSignal | undefined,
  work: (cancelled: AbortSignal, cancel: (reason: unknown) => void) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const cancel = (reason: unknown) => {
      leave();
      reject(reason);
      controller.abort(reason);
    };
    const leave = signal ? listen(signal, () => cancel(signal.reason)) : () => {};
    work(controller.signal, cancel).finally(leave).then(resolve, reject);
  });
}

// Calls that wait on a signal share one listener: Node warns of a leak where a signal has more than ten.
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `callback` when `signal` is aborted. What is returned takes it away again. */
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
