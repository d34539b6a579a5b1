// Cancellation of a call, by its caller's signal or by the call itself.

/**
 * The cancellation of one call. An AbortController per call would take 7 us and 2 KB more, which
 * matters when thousands of calls wait.
 */
export class Cancellation {
  #cancelled = false;
  #reason: unknown;
  readonly #listeners: (() => void)[] = [];

  get cancelled(): boolean {
    return this.#cancelled;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfCancelled(): void {
    if (this.#cancelled) throw this.#reason;
  }

  /** Calls `listener` when the call is cancelled, which it must not be yet. */
  onCancel(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Cancels the call. Further calls of this function do nothing. */
  cancel(reason: unknown): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#reason = reason;
    for (const listener of this.#listeners) listener();
  }
}

/**
 * The part of `AbortSignal` that calls use. Signals of other libraries and realms that have it work
 * too.
 */
export interface AbortSignalLike {
  readonly aborted: boolean;
  /** What a cancelled call rejects with. If it is undefined, with an `AbortError`. */
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * Runs `work` and settles with its result. Rejects as soon as `signal` is aborted, with the
 * signal's reason, or `work` cancels `cancellation` itself. If `signal` is already aborted, `work`
 * is not started. No listener remains on `signal` after the promise has settled.
 */
export function cancellable<T>(
  signal: AbortSignalLike | undefined,
  work: (cancellation: Cancellation) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) return Promise.reject(reasonOf(signal));
  return new Promise((resolve, reject) => {
    const cancellation = new Cancellation();
    const unlisten = signal && listen(signal, () => cancellation.cancel(reasonOf(signal)));
    cancellation.onCancel(() => {
      unlisten?.();
      reject(cancellation.reason);
    });
    // A signal may have been aborted while the listener was added.
    if (signal?.aborted) return cancellation.cancel(reasonOf(signal));
    work(cancellation).finally(unlisten).then(resolve, reject);
  });
}

function reasonOf({ reason }: AbortSignalLike): unknown {
  if (reason !== undefined) return reason;
  return Object.assign(new Error('The operation was aborted'), { name: 'AbortError' });
}

// The callbacks and the listener of each signal. All callbacks of a signal share one listener,
// because Node warns of a leak when a signal has more than ten listeners.
const waiting = new WeakMap<
  AbortSignalLike,
  { readonly callbacks: Set<() => void>; readonly listener: () => void }
>();

/** Calls `callback` when `signal` is aborted. Returns a function that removes the callback. */
function listen(signal: AbortSignalLike, callback: () => void): () => void {
  let entry = waiting.get(signal);
  if (!entry) {
    const callbacks = new Set<() => void>();
    // Does not use the event: those of other libraries have no target, or another one.
    const listener = () => {
      for (const each of callbacks) each();
    };
    signal.addEventListener('abort', listener);
    entry = { callbacks, listener };
    waiting.set(signal, entry);
  }
  const { callbacks, listener } = entry;
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return;
    waiting.delete(signal);
    try {
      signal.removeEventListener('abort', listener);
    } catch {
      // The call settles, whatever the signal does.
    }
  };
}
