// How processes and workers end while the addon is at work: each in a process of its own, so that a crash is seen.

import { expect, it } from 'vitest';
import { run, script } from '../support/child';

const busy = `
const embedder = await Embedder.load(folder);
const texts = Array.from({ length: 40 }, (_, i) => 'a program that does thing ' + i + ' well. '.repeat(i));
`;

it('a process ends by itself when its calls have settled, closed or not', async () => {
  const ended = await run(
    script(`${busy}
      const calls = Array.from({ length: 8 }, () => embedder.embed(texts));
      Promise.all(calls).then((all) => console.log('settled', all.flat().length));`),
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: 'settled 320\n', stderr: '' });
});

it('an idle embedder keeps no process alive', async () => {
  const ended = await run(script(`${busy} console.log('loaded');`));
  expect(ended).toEqual({ code: 0, signal: null, stdout: 'loaded\n', stderr: '' });
});

it.each([0, 3, 30])('process.exit after %i ms of work', async (delay) => {
  const ended = await run(
    script(`${busy}
      for (let i = 0; i < 8; i++) embedder.embed(texts);
      setTimeout(() => process.exit(7), ${delay});`),
  );
  expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
});

it('process.exit while a model is loaded', async () => {
  const ended = await run(script(`Embedder.load(folder, { onProgress: () => process.exit(7) });`));
  expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
});

it('an uncaught error with work in flight', async () => {
  const ended = await run(
    script(`${busy}
      for (let i = 0; i < 8; i++) embedder.embed(texts);
      setTimeout(() => { throw new Error('on purpose'); }, 10);`),
  );
  expect(ended).toMatchObject({
    code: 1,
    signal: null,
    stderr: expect.stringContaining('on purpose'),
  });
});

it('close while busy, then the end', async () => {
  const ended = await run(
    script(`${busy}
      const calls = Array.from({ length: 8 }, () => embedder.embed(texts));
      await embedder.close();
      console.log((await Promise.all(calls)).length);`),
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: '8\n', stderr: '' });
});

it('a signal from outside with work in flight', async () => {
  const ended = await run(
    script(`${busy}
      for (let i = 0; i < 8; i++) embedder.embed(texts);
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 10);`),
  );
  expect(ended).toMatchObject({ code: null, signal: 'SIGTERM', stderr: '' });
});

it('a worker is terminated 200 times at a random moment, and the main thread computes on', {
  timeout: 240_000,
}, async () => {
  const worker = script(`${busy}
    const { parentPort } = require('node:worker_threads');
    parentPort.postMessage('loaded');
    for (;;) await Promise.all([embedder.embed(texts.slice(0, 20)), embedder.embed('a text'), embedder.countTokens(texts)]);`);
  const ended = await run(
    script(`
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      let state = 1;
      const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
      const embedder = await Embedder.load(folder);
      const expected = await embedder.embed('a text');
      for (let round = 0; round < 200; round++) {
        const worker = new Worker(process.argv[1], { eval: true });
        worker.on('error', (error) => { throw error; });
        const exit = once(worker, 'exit');
        // Half of them while they load, half while they compute.
        if (round % 2) await once(worker, 'message');
        await new Promise((done) => setTimeout(done, random() * (round % 2 ? 30 : 150)));
        await worker.terminate();
        await exit;
        const vector = await embedder.embed('a text');
        if (vector.some((value, i) => value !== expected[i])) throw new Error('other bits');
      }
      console.log('200 times');`),
    { args: [worker], seconds: 200 },
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: '200 times\n', stderr: '' });
});

it('a worker that alone has loaded the addon ends, and another begins', async () => {
  const worker = script(`
    const embedder = await Embedder.load(folder);
    await embedder.embed(['one', 'two']);
    require('node:worker_threads').parentPort.postMessage('done');`);
  const ended = await run(
    script(`
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      for (let round = 0; round < 5; round++) {
        const worker = new Worker(process.argv[1], { eval: true });
        const exit = once(worker, 'exit');
        await once(worker, 'message');
        if (round % 2) await worker.terminate();
        await exit;
      }
      console.log('ended');`).replace(/^const \{ Embedder.*$/m, ''),
    { args: [worker] },
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: 'ended\n', stderr: '' });
});
