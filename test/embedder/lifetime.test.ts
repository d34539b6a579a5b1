// Processes and workers that end while the addon computes. Each test uses its own process, to
// detect a crash.

import { expect, it } from 'vitest';
import { run, script } from '../support/child';

const busy = `
const embedder = await Embedder.load(folder);
const text = (i) => 'a program that does thing ' + i + ' well. '.repeat(i);
const texts = Array.from({ length: 40 }, (_, i) => text(i));
`;

it('a process ends when its calls have settled, without close', async () => {
  const ended = await run(
    script(`${busy}
      const calls = Array.from({ length: 8 }, () => embedder.embed(texts));
      Promise.all(calls).then((all) => console.log('settled', all.flat().length));`),
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: 'settled 320\n', stderr: '' });
});

it('a process that only imports the package ends', async () => {
  const ended = await run(script(`console.log(typeof Embedder);`));
  expect(ended).toEqual({ code: 0, signal: null, stdout: 'function\n', stderr: '' });
});

it('an idle embedder does not keep a process alive', async () => {
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

it('close with work in flight, then the process ends', async () => {
  const ended = await run(
    script(`${busy}
      const calls = Array.from({ length: 8 }, () => embedder.embed(texts));
      await embedder.close();
      console.log((await Promise.all(calls)).length);`),
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: '8\n', stderr: '' });
});

it('SIGTERM with work in flight', async () => {
  const ended = await run(
    script(`${busy}
      for (let i = 0; i < 8; i++) embedder.embed(texts);
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 10);`),
  );
  expect(ended).toMatchObject({ code: null, signal: 'SIGTERM', stderr: '' });
});

it('terminating 200 workers at random times does not affect the main thread', {
  timeout: 240_000,
}, async () => {
  const worker = script(`${busy}
    const { parentPort } = require('node:worker_threads');
    parentPort.postMessage('loaded');
    for (;;) {
      const calls = [embedder.embed(texts.slice(0, 20)), embedder.embed('a text')];
      await Promise.all([...calls, embedder.countTokens(texts)]);
    }`);
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
        // Half of the workers are terminated while they load, half while they compute.
        if (round % 2) await once(worker, 'message');
        await new Promise((done) => setTimeout(done, random() * (round % 2 ? 30 : 150)));
        await worker.terminate();
        await exit;
        const vector = await embedder.embed('a text');
        const same = vector.every((value, i) => value === expected[i]);
        if (!same) throw new Error('the vector has changed');
      }
      console.log('200 times');`),
    { args: [worker], seconds: 200 },
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: '200 times\n', stderr: '' });
});

it('work of a worker that has ended is dropped', async () => {
  const worker = script(`
    const embedder = await Embedder.load(folder, { device: 'reference' });
    for (let i = 0; i < 300; i++) embedder.embed(new Uint32Array(8_000)); // takes hours
    const { parentPort } = require('node:worker_threads');
    setTimeout(() => parentPort.postMessage('busy'), 50);`);
  const ended = await run(
    script(`
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const worker = new Worker(process.argv[1], { eval: true });
      await once(worker, 'message');
      await worker.terminate();
      const embedder = await Embedder.load(folder);
      console.log((await embedder.embed('a text')).length);`),
    { args: [worker], seconds: 30 },
  );
  expect(ended).toEqual({ code: 0, signal: null, stdout: '256\n', stderr: '' });
});

it('workers load the addon one after another, and the main thread does not', async () => {
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
