export const file = 'lib/cancellation.ts';
export const suite = 'lib/cancellation';

const foreign = 'a signal of another library';

export const mutants = [
  {
    name: 'a call is cancelled more than once',
    text: 'if (this.#cancelled) return;',
    replacement: '',
    tests: 'work that cancels itself',
  },
  {
    name: 'cancelling tells no listener',
    text: 'for (const listener of this.#listeners) listener();',
    replacement: '',
    tests: 'rejects at once with the signal’s own reason',
  },
  {
    name: 'a signal that is aborted while a listener is added is overlooked',
    text: 'if (signal?.aborted) return cancellation.cancel(reasonOf(signal));',
    replacement: '',
    tests: 'aborted while a listener is added',
  },
  {
    name: 'a cancelled call leaves its listener',
    text: '      unlisten?.();\n',
    replacement: '',
    tests: 'rejects with the reason of work that cancels itself',
  },
  {
    name: 'a settled call leaves its listener',
    text: '.finally(unlisten)',
    replacement: '',
    tests: 'leaves no listener',
  },
  {
    name: 'a reason that counts as false is lost',
    text: 'if (reason !== undefined) return reason;',
    replacement: 'if (reason) return reason;',
    tests: 'the reason of another library’s signal',
  },
  {
    name: 'without a reason, an error without a name',
    text: "Object.assign(new Error('The operation was aborted'), { name: 'AbortError' })",
    replacement: "new Error('The operation was aborted')",
    tests: foreign,
  },
  {
    name: 'each call adds a listener of its own',
    text: 'let entry = waiting.get(signal);',
    replacement: 'let entry: ReturnType<typeof waiting.get>;',
    tests: 'without a warning',
  },
  {
    name: 'the first call that settles removes the listener of all',
    text: ' || callbacks.size > 0) return;',
    replacement: ') return;',
    tests: 'without a warning',
  },
  {
    name: 'the shared listener stays in its map after it was removed',
    text: 'waiting.delete(signal);',
    replacement: '',
    tests: foreign,
  },
  {
    name: 'the shared listener stays on the signal',
    text: "signal.removeEventListener('abort', listener);",
    replacement: '',
    tests: 'leaves no listener',
  },
];
