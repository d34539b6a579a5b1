// Calls with many inputs, and many calls at once: what they cost the event loop and how much memory
// they hold while they wait. Each test uses its own process, whose event loop does nothing else.

import { existsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { run, script } from '../support/child';
import { temporaryFolder } from '../support/temporary_folder';
import { tinyCheckpoint, writeCheckpoint } from '../support/tiny_checkpoint';
import { embeddingTokenizer } from '../support/tokenizer_json.cjs';

async function printed(source: string, nodeArgs: readonly string[] = []): Promise<string> {
  const { stdout, ...end } = await run(script(source), { nodeArgs, seconds: 120 });
  expect(end).toEqual({ code: 0, signal: null, stderr: '' });
  return stdout;
}

// With these the collector works in pauses only, all of which it reports.
const pausingCollector = [
  '--no-incremental-marking',
  '--no-concurrent-marking',
  '--no-concurrent-array-buffer-sweeping',
];

/**
 * `longestHold(start)` returns for how many ms at most `start()` or its call's work held the event
 * loop, without the pauses of the garbage collector. `leastHold(start, limit)` returns the least of
 * up to ten rounds: other processes take the core away for longer. The process raises its priority
 * where the system allows it.
 */
const longestHold = `
const { PerformanceObserver } = require('node:perf_hooks');
const pauses = [];
new PerformanceObserver((list) => pauses.push(...list.getEntries())).observe({ type: 'gc' });
async function longestHold(start) {
  const turns = [];
  let ended = false;
  let last = performance.now();
  const turn = () => {
    const now = performance.now();
    if (now - last > 1) turns.push([last, now]);
    last = now;
    if (!ended) setImmediate(turn);
  };
  const call = start();
  turn();
  await call;
  ended = true;
  await new Promise((done) => setTimeout(done, 100)); // until the observer has been called
  const paused = ([begin, end]) => pauses.reduce((sum, { startTime, duration }) => {
    const overlap = Math.min(end, startTime + duration) - Math.max(begin, startTime);
    return sum + Math.max(overlap, 0);
  }, 0);
  return Math.max(0, ...turns.map((held) => held[1] - held[0] - paused(held)));
}
async function leastHold(start, limit) {
  try { require('node:os').setPriority(-10); } catch {}
  let least = Infinity;
  for (let round = 0; round < 10 && least > limit; round++)
    least = Math.min(least, await longestHold(start));
  return least;
}
// Copying the list of inputs cannot be interrupted: where that takes long, a call may hold longer.
function limitOf(inputs, most) {
  const copies = Array.from({ length: 5 }, () => {
    const begin = performance.now();
    Array.from(inputs);
    return performance.now() - begin;
  });
  return Math.max(most, 2 * Math.min(...copies));
}`;

const collector = `
require('node:v8').setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');`;

it.each([
  ['texts', "'text ' + i"],
  ['arrays of token ids', 'Uint32Array.of(1 + (i % 100), 2, 3)'],
])(
  'a million %s hold the event loop for at most 10 ms at a time',
  { timeout: 150_000 },
  async (_, input) => {
    const held = await printed(
      `${longestHold}
    const embedder = await Embedder.load(folder);
    await embedder.embed(['a text', Uint32Array.of(1)]);
    const inputs = Array.from({ length: 1e6 }, (_, i) => ${input});
    inputs[999_999] = null;
    const expected = (error) =>
      error.name === 'TimeoutError' || error.message.startsWith('input[999999] must be');
    const start = () =>
      embedder.embed(inputs, { signal: AbortSignal.timeout(2_000) }).then(
        () => { throw new Error('the last input was accepted'); },
        (error) => { if (!expected(error)) throw error; },
      );
    const limit = limitOf(inputs, 10);
    console.log((await leastHold(start, limit)) / limit);`,
      pausingCollector,
    );
    expect(Number(held)).toBeLessThan(1);
  },
);

it.each([
  // A list, like a text, is copied at once.
  ['a million texts', 10, "Array.from({ length: 1e6 }, (_, i) => 'text ' + i)"],
  // A text is flattened before, so that V8 does not do it at the same time.
  ['a text of ten million characters', 10, "['some words and 123 '.repeat(526_316)]"],
  ['a word of ten million characters', 10, "['x'.repeat(1e7)]"],
])(
  'counting the tokens of %s holds the event loop for at most %i ms at a time',
  { timeout: 150_000 },
  async (_, most, inputs) => {
    const held = await printed(
      `${longestHold}
    const embedder = await Embedder.load(folder);
    await embedder.countTokens('a text');
    const inputs = ${inputs};
    inputs[0].charCodeAt(0);
    const limit = limitOf(inputs, ${most});
    console.log((await leastHold(() => embedder.countTokens(inputs), limit)) / limit);`,
      pausingCollector,
    );
    expect(Number(held)).toBeLessThan(1);
  },
);

it('reading a tokenizer.json of 11 MB holds the event loop for at most 10 ms', async () => {
  const folder = temporaryFolder();
  const { model, added_tokens } = embeddingTokenizer();
  const vocabulary = Object.keys(model.vocab).length + added_tokens.length;
  writeCheckpoint(folder, tinyCheckpoint({ vocabulary }));
  const file = path.join(folder, 'tokenizer.json');
  writeFileSync(file, JSON.stringify(embeddingTokenizer(), undefined, 2));
  expect(statSync(file).size).toBeGreaterThan(11e6);
  const held = await printed(
    `${longestHold}
    const load = async () => (await Embedder.load(${JSON.stringify(folder)})).close();
    await load();
    console.log(await leastHold(load, 10));`,
    pausingCollector,
  );
  expect(Number(held)).toBeLessThan(10);
});

it('ten thousand waiting calls hold little more than their vectors', async () => {
  const held = await printed(`${collector}
    const embedder = await Embedder.load(folder);
    await embedder.embed('a text');
    collect();
    const before = process.memoryUsage().arrayBuffers;
    const calls = Array.from({ length: 10_000 }, (_, i) => embedder.embed('caller ' + i));
    await Promise.all(calls.splice(0, 10));
    const vectors = 10_000 * embedder.dimensions * 4;
    console.log((process.memoryUsage().arrayBuffers - before) / vectors);
    process.exit(0);`);
  expect(Number(held)).toBeGreaterThan(0.5); // some texts may still be converted
  expect(Number(held)).toBeLessThan(1.5);
});

it('a waiting call holds neither its inputs nor their list', async () => {
  const held = await printed(`${collector}
    const embedder = await Embedder.load(folder, { device: 'reference' });
    embedder.embed(new Uint32Array(8_000)); // takes minutes
    await new Promise((done) => setTimeout(done, 50));
    let settled = false;
    const start = () => {
      const single = Uint32Array.of(1, 2, 3);
      const list = [Uint32Array.of(4), 'a text'];
      Promise.all([embedder.embed(single), embedder.embed(list)]).then(() => (settled = true));
      return [single, list, list[0]].map((input) => new WeakRef(input));
    };
    const inputs = start();
    for (let i = 0; i < 20 && inputs.some((input) => input.deref()); i++) {
      await new Promise((done) => setTimeout(done, 50));
      collect();
    }
    console.log(settled, inputs.filter((input) => input.deref()).length);
    process.exit(0);`);
  expect(held).toBe('false 0\n');
});

it('a call that has settled holds nothing', async () => {
  const held = await printed(`${collector}
    const embedder = await Embedder.load(folder);
    const call = async () => new WeakRef(await embedder.embed('a text'));
    const counting = async () => new WeakRef(await embedder.countTokens(['a text']));
    const results = await Promise.all([call(), call(), counting()]);
    for (let i = 0; i < 20 && results.some((result) => result.deref()); i++) {
      await new Promise((done) => setTimeout(done, 50));
      collect();
    }
    console.log(results.filter((result) => result.deref()).length);`);
  expect(held).toBe('0\n');
});

// /proc/self/io counts the system calls that read.
it.runIf(process.platform === 'linux')(
  'a call with a small result does not ask the system for its free memory',
  async () => {
    const reads = await printed(`
    const { readFileSync } = require('node:fs');
    const count = () => Number(/syscr: (\\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))[1]);
    const embedder = await Embedder.load(folder);
    await embedder.embed('a text');
    const before = count();
    const calls = Array.from({ length: 500 }, () => embedder.embed(Uint32Array.of(1)));
    const after = count();
    await Promise.all(calls);
    console.log(after - before);`);
    expect(Number(reads)).toBeLessThan(100);
  },
);

it('a call whose last input is refused leaves nothing that keeps the process alive', async () => {
  const output = await printed(`
    const embedder = await Embedder.load(folder);
    const inputs = Array(1_000).fill(Uint32Array.of(1));
    await embedder.embed([...inputs, null]).catch((error) => console.log(error.name));
    const late = Uint32Array.of(1e6);
    await embedder.embed([...inputs, late]).catch((error) => console.log(error.name));`);
  expect(output).toBe('TypeError\nRangeError\n');
});

// V8 ends the process if it finds no memory for itself.
it('a call that the JavaScript heap has no room for is OUT_OF_MEMORY', async () => {
  const output = await printed(
    `
    const embedder = await Embedder.load(folder);
    const inputs = Array(1e6).fill(Uint32Array.of(1));
    const error = await embedder.embed(inputs, { dimensions: 32 }).catch((error) => error);
    console.log(error.code, /JavaScript heap/.test(error.message));
    console.log((await embedder.embed('a text')).length);`,
    ['--max-old-space-size=100'],
  );
  expect(output).toBe('OUT_OF_MEMORY true\n256\n');
});

// prlimit is part of Debian's base system.
it.runIf(existsSync('/usr/bin/prlimit'))(
  'large calls that the address space has no room for are OUT_OF_MEMORY, others succeed',
  async () => {
    const output = await printed(`
    const { execFileSync } = require('node:child_process');
    const { readFileSync } = require('node:fs');
    const embedder = await Embedder.load(folder);
    await embedder.embed('a text');
    const used = Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
    const limit = used * 1024 + 750 * 2 ** 20; // 256 MB of them are V8's
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit]);
    const inputs = Array(100_000).fill(Uint32Array.of(1));
    const controller = new AbortController();
    const { signal } = controller;
    // Each takes 160 MB.
    const calls = Array.from({ length: 8 }, () => embedder.embed(inputs, { signal }));
    setTimeout(() => controller.abort('enough'), 3_000);
    const results = await Promise.allSettled(calls);
    const outcomes = results.map(({ reason }) => reason?.code ?? reason ?? 'embedded');
    console.log(outcomes.filter((outcome) => outcome === 'OUT_OF_MEMORY').length >= 5);
    console.log(outcomes.some((outcome) => outcome !== 'OUT_OF_MEMORY'));
    console.log((await embedder.embed('a text')).length);`);
    expect(output).toBe('true\ntrue\n256\n');
  },
);
