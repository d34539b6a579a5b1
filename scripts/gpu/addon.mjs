// Checks of the addon on a GPU: vectors in V8's memory, models that are loaded and closed
// repeatedly, workers, and processes that exit while the GPU is in use. Prints a line of JSON per
// check. Exits with 77 if there is no GPU. goldens.mjs lists what a machine without Node needs.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import dist from '../../dist/index.js';

const { Embedder, EmbedderError } = dist;
const self = fileURLToPath(import.meta.url);
const folder = path.join(
  path.dirname(self),
  '..',
  '..',
  'test',
  'data',
  'random-models',
  'gqa2-bf16',
);
const noDevice = 77;
const count = Number(process.env.QWEN3_CHECK_TEXTS || 300); // set to fewer on the emulated device
const texts = Array.from({ length: count }, (_, i) =>
  Uint32Array.from({ length: 1 + (i % 40) }, (_, j) => (i + j) % 320),
);

const load = (options) =>
  Embedder.load(folder, { device: 'cuda', batchInvariant: true, ...options });
const norm = (vector) => Math.hypot(...vector);
const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

const checks = {
  async 'vectors arrive in V8 memory, complete and of length 1'() {
    const embedder = await load();
    const vectors = await embedder.embed(texts);
    expect(vectors.length === texts.length, 'vectors are missing');
    for (const vector of vectors)
      expect(Math.abs(norm(vector) - 1) < 1e-5, `a vector has length ${norm(vector)}, not 1`);
    expect(
      new Set(vectors.map((vector) => vector.buffer)).size === texts.length,
      'vectors share memory',
    );
    await embedder.close();
  },

  async 'loads and closes a model twice, then two at the same time'() {
    const first = await load();
    const wanted = await first.embed(texts[3]);
    await first.close();
    const second = await load();
    expect(same(await second.embed(texts[3]), wanted), 'after the second load the vector differs');
    const third = await load({ precision: 'int8' });
    const others = await Promise.all([
      second.embed(texts),
      third.embed(texts),
      second.embed(texts[3]),
    ]);
    expect(same(others[2], wanted), 'another precision at the same time changes the vector');
    await second.close();
    await third.embed(texts[0]);
    await third.close();
  },

  async 'a GPU index that does not exist is rejected with a message'() {
    const error = await load({ device: 'cuda:99' }).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error?.code === 'DEVICE_UNAVAILABLE' && error.message.length > 20, `got ${error}`);
  },

  async 'many concurrent calls, some cancelled'() {
    const embedder = await load();
    const cancel = new AbortController();
    const calls = texts.map((text, i) =>
      embedder.embed(text, i % 3 === 0 ? { signal: cancel.signal } : {}),
    );
    cancel.abort();
    const ended = await Promise.allSettled(calls);
    expect(
      ended.every(({ status }, i) => status === 'fulfilled' || i % 3 === 0),
      'a call that was not cancelled has failed',
    );
    await embedder.close();
  },

  async 'terminating a busy worker does not affect the main thread'() {
    const embedder = await load();
    const wanted = await embedder.embed(texts[4]);
    const worker = new Worker(self, { argv: ['--busy'] });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    expect(same(await embedder.embed(texts[4]), wanted), 'the vector has changed');
    await embedder.close();
  },

  async 'processes exit cleanly: closed, not closed, busy, by process.exit'() {
    for (const how of ['--closed', '--open', '--at-work', '--exit']) {
      const { status, signal, stderr } = spawnSync(process.execPath, [self, how], {
        timeout: 60_000,
        encoding: 'utf8',
      });
      expect(
        status === 0,
        `${how}: exit code ${status}, signal ${signal}: ${stderr.trim().split('\n').at(-1)}`,
      );
    }
  },
};

/** The programs of the worker and of the child processes. */
const children = {
  async '--busy'() {
    const { parentPort } = await import('node:worker_threads');
    const embedder = await load();
    for (let i = 0; ; i++) {
      const vectors = embedder.embed(texts);
      if (i === 2) parentPort.postMessage('busy');
      await vectors;
    }
  },
  async '--closed'() {
    const embedder = await load();
    await embedder.embed(texts);
    await embedder.close();
  },
  async '--open'() {
    await (await load()).embed(texts);
  },
  async '--at-work'() {
    const embedder = await load();
    embedder.embed(texts).catch(() => {});
  },
  async '--exit'() {
    const embedder = await load();
    embedder.embed(texts).catch(() => {});
    process.exit(0);
  },
};

const child = children[process.argv[2]];
if (child) {
  await child();
} else {
  await load().then(
    (embedder) => embedder.close(),
    (error) => {
      console.error(error.message);
      process.exit(
        error instanceof EmbedderError && error.code === 'DEVICE_UNAVAILABLE' ? noDevice : 1,
      );
    },
  );
  for (const [name, run] of Object.entries(checks)) {
    try {
      await run();
      console.log(JSON.stringify({ name, ok: true }));
    } catch (error) {
      console.log(JSON.stringify({ name, ok: false, message: String(error.message ?? error) }));
      process.exitCode = 1;
    }
  }
}
