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
    const onAbort = () => cancel(signal?.reason);
    const leave = () => signal?.removeEventListener('abort', onAbort);
    const cancel = (reason: unknown) => {
      leave();
      reject(reason);
      controller.abort(reason);
    };
    signal?.addEventListener('abort', onAbort);
    work(controller.signal, cancel).finally(leave).then(resolve, reject);
  });
}
