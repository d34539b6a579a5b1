// npm run bench: measures the package on this machine and prints tables. All samples are written to
// build/bench.json. Engines take turns, and a sample that other processes disturbed is repeated.
// npm run bench -- --help lists the options.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fail } from '../scripts/install/report.mjs';
import { root } from '../scripts/install/stamp.mjs';
import { setup } from '../scripts/setup.mjs';
import { askOnce, start } from './child.mjs';
import { kernels } from './kernels.mjs';
import { disturbance } from './machine.mjs';
import { makeModel } from './make-model.mjs';
import { median, printTable, summary } from './statistics.mjs';

const usage = `npm run bench -- [options]

  --only PARTS       comma-separated list of kernels, speed, load, memory, loop; default: all
  --peer             also measure node-llama-cpp on the same weights (in build/peer, 85 MB)
  --lengths LIST     tokens per text for the speed part; 16x128 is 16 texts in one call;
                     default 32,128,16x128,512,2048,8192
  --precisions LIST  default bf16,f32
  --rounds N         samples of each case; default 5; at most 2 for texts over 1,000 tokens
  --threads N        default 2
  --model FOLDER     a checkpoint; default: synthetic weights of the 0.6B model in build/models
  --whole            embed the memory part's 32,768-token text to its end, not only for a minute`;

const peerVersion = '3.22.1';
const peerFolder = path.join(root, 'build', 'peer');
const results = { date: new Date().toISOString(), machine: describeMachine() };

async function main() {
  const settings = readArguments();
  if (settings.help) return console.log(usage);
  await setup();
  const { cpu, cores, memory, node } = results.machine;
  console.log(`${cpu}, ${cores} cores, ${memory} GB, Node ${node}; ${settings.threads} threads`);

  if (settings.parts.has('kernels')) results.kernels = await kernels(settings);
  const needsModel = ['speed', 'load', 'memory', 'loop'].some((part) => settings.parts.has(part));
  if (needsModel && !settings.model) settings.model = await syntheticModel(settings);
  if (settings.parts.has('speed')) results.speed = await speed(settings);
  if (settings.parts.has('load')) results.load = await load(settings);
  if (settings.parts.has('memory')) results.memory = await memoryUse(settings);
  if (settings.parts.has('loop')) results.loop = await eventLoop(settings);

  const file = path.join(root, 'build', 'bench.json');
  fs.writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  console.log(`\nAll samples: ${path.relative(process.cwd(), file)}`);
}

async function speed({ model, precisions, lengths, rounds, threads, peer }) {
  const engines = precisions.map((precision) => ({
    name: `qwen3-embed ${precision}`,
    child: start('speed.mjs', 'own', model, precision, threads),
  }));
  if (peer) {
    const name = `node-llama-cpp ${peerVersion} bf16`;
    const modules = path.join(peerFolder, 'node_modules', 'node-llama-cpp');
    engines.push({
      name,
      child: start('speed.mjs', 'peer', path.join(model, 'model-bf16.gguf'), modules, threads),
    });
  }
  const cases = lengths.map((name) => {
    const [count, length] = name.includes('x') ? name.split('x').map(Number) : [1, Number(name)];
    return { name, count, length, samples: engines.map(() => []) };
  });
  try {
    for (let round = 0; round < rounds; round++) {
      for (const { name, count, length, samples } of cases) {
        if (length > 1000 && round >= 2) continue;
        for (const [index, { name: engine, child }] of engines.entries()) {
          const sample = await undisturbed(() => child.ask({ length, count }));
          samples[index].push(sample);
          const rate = sample.tokensPerSecond.toFixed(0);
          progress(`round ${round + 1}, ${name} tokens, ${engine}: ${rate} tokens/s`);
        }
      }
    }
  } finally {
    for (const { child } of engines) await child.end();
  }
  const rows = cases.map(({ name, samples }) => {
    const cells = samples.map((of) =>
      summary(clean(of).map(({ tokensPerSecond }) => tokensPerSecond)),
    );
    if (peer) cells.push(ratio(samples[0], samples.at(-1)));
    return [name, ...cells];
  });
  const heading = [
    'tokens',
    ...engines.map(({ name }) => name),
    ...(peer ? [`${precisions[0]} / node-llama-cpp`] : []),
  ];
  printTable(`Tokens per second, ${threads} threads (median, ± half the range)`, heading, rows);
  return cases.map(({ name, samples }) => ({
    name,
    engines: engines.map((engine, i) => [engine.name, samples[i]]),
  }));
}

/** Takes a sample. Repeats a short one, at most twice, if other processes disturbed it. */
async function undisturbed(take) {
  for (let attempt = 0; ; attempt++) {
    const sample = await take();
    if (sample.foreign < disturbance || sample.seconds > 20 || attempt === 2) return sample;
  }
}

/** The undisturbed samples, or all samples if there are none. */
function clean(samples) {
  const kept = samples.filter(({ foreign }) => foreign < disturbance);
  return kept.length > 0 ? kept : samples;
}

function ratio(own, other) {
  const [a, b] = [own, other].map((samples) =>
    median(clean(samples).map(({ tokensPerSecond }) => tokensPerSecond)),
  );
  return `${(a / b).toFixed(2)}x`;
}

async function load({ model, precisions, rounds, threads }) {
  const samples = Object.fromEntries(precisions.map((precision) => [precision, []]));
  const files = fs.readdirSync(model).map((name) => path.join(model, name));
  spawnSync('cat', files, { stdio: 'ignore' }); // reads the files into the page cache
  for (let round = 0; round < rounds; round++) {
    for (const precision of precisions) {
      samples[precision].push(
        await askOnce('memory.mjs', [model, precision, threads], { length: 0 }),
      );
      progress(`round ${round + 1}, load ${precision}`);
    }
  }
  const rows = precisions.map((precision) => [
    precision,
    `${summary(
      samples[precision].map(({ loadSeconds }) => loadSeconds),
      2,
    )}`,
    megabytes(
      median(samples[precision].map(({ loadPeak }) => loadPeak)) - weightBytes(model, precision),
    ),
  ]);
  printTable(
    'Loading, with the files in the page cache',
    ['precision', 'seconds', 'peak memory beyond the weights, MB'],
    rows,
  );
  return samples;
}

async function memoryUse({ model, precisions, threads, whole }) {
  const seconds = whole ? 24 * 3600 : 60;
  const samples = [];
  for (const length of [2048, 32768]) {
    for (const precision of precisions) {
      const sample = await askOnce('memory.mjs', [model, precision, threads], { length, seconds });
      samples.push({ precision, length, ...sample });
      progress(`${length} tokens, ${precision}`);
    }
  }
  const rows = samples.map(({ precision, length, embedPeak, whole }) => [
    `${length} tokens, ${precision}`,
    megabytes(embedPeak - weightBytes(model, precision)),
    whole ? 'whole text' : `first ${seconds} s`,
  ]);
  printTable(
    'Peak memory beyond the weights and the memory before loading',
    ['text', 'MB', 'measured'],
    rows,
  );
  return samples;
}

async function eventLoop({ model, precisions, threads }) {
  const sample = await askOnce('event-loop.mjs', [model, precisions[0], threads], { seconds: 10 });
  const row = (name, { p99, max }) => [
    name,
    p99.toFixed(2),
    (p99 - sample.idle.p99).toFixed(2),
    max.toFixed(2),
  ];
  printTable(
    'Event-loop delay, ms (a 1 ms timer, so idle is about 1)',
    ['while', 'p99', 'p99 - idle', 'max'],
    [
      row('idle', sample.idle),
      row('64 callers, texts of 128 tokens', sample.callers),
      row(`one text of ${sample.longTokens} tokens`, sample.long),
    ],
  );
  return sample;
}

async function syntheticModel({ peer }) {
  const folder = path.join(root, 'build', 'models', 'synthetic-0.6b');
  if (!fs.existsSync(path.join(folder, 'config.json')))
    console.log('Making synthetic weights of the 0.6B model (1.2 GB)');
  await makeModel('0.6b', folder, { gguf: peer });
  return folder;
}

/**
 * Installs node-llama-cpp under build/, so that the package's node_modules and lockfile do not
 * change.
 */
function installPeer() {
  const folder = path.join(peerFolder, 'node_modules', 'node-llama-cpp');
  if (fs.existsSync(folder)) return;
  console.log(
    `Installing node-llama-cpp ${peerVersion} into ${path.relative(process.cwd(), peerFolder)}`,
  );
  fs.mkdirSync(peerFolder, { recursive: true });
  const binary = `@node-llama-cpp/${process.platform}-${process.arch}@${peerVersion}`;
  const options = [
    '--no-save',
    '--ignore-scripts',
    '--omit=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const packages = [`node-llama-cpp@${peerVersion}`, binary];
  execFileSync('npm', ['install', '--prefix', peerFolder, ...options, ...packages], {
    stdio: 'inherit',
  });
}

/** Bytes of all weights in the CPU's memory. The checkpoint has two bytes per value. */
function weightBytes(model, precision) {
  const files = fs.readdirSync(model).filter((name) => name.endsWith('.safetensors'));
  const stored = files.reduce((sum, name) => sum + fs.statSync(path.join(model, name)).size, 0);
  if (precision !== 'f32') return stored;
  const { vocab_size, hidden_size } = JSON.parse(
    fs.readFileSync(path.join(model, 'config.json'), 'utf8'),
  );
  return 2 * stored - 2 * vocab_size * hidden_size; // the embedding table stays bf16
}

function readArguments() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        only: { type: 'string', default: 'kernels,speed,load,memory,loop' },
        peer: { type: 'boolean', default: false },
        lengths: { type: 'string', default: '32,128,16x128,512,2048,8192' },
        precisions: { type: 'string', default: 'bf16,f32' },
        rounds: { type: 'string', default: '5' },
        threads: { type: 'string', default: '2' },
        model: { type: 'string' },
        whole: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new Error(`${error.message.split('. ')[0]}\n\n${usage}`);
  }
  const list = (name, allowed) => {
    const items = values[name].split(',');
    const wrong = items.find((item) => !allowed.test(item));
    if (wrong !== undefined) throw new Error(`--${name}: '${wrong}' is not valid.\n\n${usage}`);
    return items;
  };
  const positiveInteger = (name) => {
    if (!/^[1-9]\d*$/.test(values[name])) throw new Error(`--${name} must be a positive integer.`);
    return Number(values[name]);
  };
  if (values.peer && values.model)
    throw new Error('--peer uses the synthetic weights and cannot be combined with --model.');
  const settings = {
    ...values,
    parts: new Set(list('only', /^(kernels|speed|load|memory|loop)$/)),
    lengths: list('lengths', /^(\d+x)?[1-9]\d*$/),
    precisions: list('precisions', /^(bf16|f32)$/),
    rounds: positiveInteger('rounds'),
    threads: positiveInteger('threads'),
    model: values.model && path.resolve(process.env.INIT_CWD ?? '.', values.model),
  };
  if (settings.peer && settings.parts.has('speed') && !settings.help) installPeer();
  return settings;
}

function describeMachine() {
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return {
    cpu: os.cpus()[0].model.trim(),
    cores: os.cpus().length,
    memory,
    node: process.versions.node,
  };
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(0);
}

function progress(text) {
  console.error(`  ${text}`);
}

await main().catch(fail);
