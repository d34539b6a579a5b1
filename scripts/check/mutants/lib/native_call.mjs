export const file = 'lib/addon/native_call.ts';

export const mutants = [
  {
    name: 'native goes on with a cancelled call',
    text: 'cancellation.onCancel(drop);',
    replacement: '',
    suite: 'embedder/abort_signals',
    tests: 'a cancelled call is not computed further',
  },
  {
    name: 'native keeps a call whose inputs are refused',
    text: 'drop(); // does nothing if the work has settled',
    replacement: '',
    suite: 'embedder/event_loop',
    tests: 'leaves nothing that keeps the process alive',
  },
  {
    name: 'every error becomes an EmbedderError',
    text: 'if (!errorCodes.includes(code as ErrorCode)) return error;',
    replacement: '',
    suite: 'embedder/event_loop',
    tests: 'leaves nothing that keeps the process alive',
  },
  {
    name: 'native errors are recognized by their class',
    text: 'if (!errorCodes.includes(code as ErrorCode)) return error;',
    replacement:
      'if (!(error instanceof Error && errorCodes.includes(code as ErrorCode))) return error;',
    suite: 'embedder/realms',
    tests: 'an error is the EmbedderError of the realm',
  },
  {
    name: 'the message of a native error is lost',
    text: 'String(message)',
    replacement: "''",
    suite: 'embedder/embedder',
    tests: 'rejects a precision that the device does not support',
  },
];
