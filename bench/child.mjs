// A measurement in a process of its own: `start` makes one, `answer` is what runs inside it.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** Starts bench/NAME with arguments; `ask` sends it a request and gives its answer, `end` ends it. */
export function start(name, ...args) {
  const child = fork(path.join(import.meta.dirname, name), args.map(String));
  let waiting;
  child.on('message', ({ result, error }) =>
    error ? waiting.reject(new Error(error)) : waiting.resolve(result),
  );
  child.on('exit', (code) => waiting?.reject(new Error(`bench/${name} ended with ${code}`)));
  return {
    ask(request) {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        child.send(request);
      });
    },
    async end() {
      waiting = undefined;
      if (child.exitCode !== null) return;
      child.kill('SIGKILL'); // work that was cancelled may still run
      await once(child, 'exit');
    },
  };
}

/** One question to a fresh process. */
export async function askOnce(name, args, request) {
  const child = start(name, ...args);
  try {
    return await child.ask(request);
  } finally {
    await child.end();
  }
}

/** Inside a child: answers every request with what `handle` gives. */
export function answer(handle) {
  process.on('message', async (request) => {
    try {
      process.send({ result: await handle(request) });
    } catch (error) {
      process.send({ error: error.stack ?? String(error) });
    }
  });
}
