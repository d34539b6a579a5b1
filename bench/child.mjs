// Measurements in child processes: `start` starts a child, which calls `answer` to handle requests.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** Starts bench/NAME with arguments. `ask` sends a request and resolves to its result. */
export function start(name, ...args) {
  const child = fork(path.join(import.meta.dirname, name), args.map(String));
  let waiting;
  child.on('message', ({ result, error }) =>
    error ? waiting.reject(new Error(error)) : waiting.resolve(result),
  );
  child.on('exit', (code) =>
    waiting?.reject(new Error(`bench/${name} ended with exit code ${code}`)),
  );
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
      child.kill('SIGKILL'); // cancelled work may still run
      await once(child, 'exit');
    },
  };
}

/** Sends one request to a new process. */
export async function askOnce(name, args, request) {
  const child = start(name, ...args);
  try {
    return await child.ask(request);
  } finally {
    await child.end();
  }
}

/** In a child: answers every request with the result of `handle`. */
export function answer(handle) {
  process.on('message', async (request) => {
    try {
      process.send({ result: await handle(request) });
    } catch (error) {
      process.send({ error: error.stack ?? String(error) });
    }
  });
}
