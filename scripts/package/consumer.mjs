// The parts that all checks of the package share: a folder in which the package is installed, as in
// a program of its users, and functions that run programs there.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { root } from '../install/stamp.mjs';
import { run, temporaryFolder } from './tarball.mjs';

const require = createRequire(import.meta.url);

export const folder = temporaryFolder();
/** The folder in which the package is installed. */
export const consumer = path.join(folder, 'a folder with ümläuts');
export const machine = `${process.platform}-${process.arch}`;
/** The environment variables of an installation without a compiler. */
export const bare = { PATH: bareFolder() };
export const model = path.join(root, 'models', 'qwen3-embedding-small');
const golden = JSON.parse(
  fs.readFileSync(path.join(root, 'test', 'data', 'small-model', 'vectors.json'), 'utf8'),
).cases[0];
/** Arguments of the programs that compare a vector. */
export const embedArguments = [model, golden.text, JSON.stringify(golden.embedding)];

let failures = 0;

/** Runs one check. `body` throws on failure, and may return a line about what it found. */
export async function check(name, body) {
  const begin = performance.now();
  try {
    const found = await body();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    console.log(`ok      ${name}${found ? `: ${found}` : ''} (${seconds} s)`);
  } catch (error) {
    failures++;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

/** Prints whether all checks passed, and sets the exit code. */
export function reportChecks() {
  console.log(failures === 0 ? '\nAll checks passed.' : `\n${failures} checks failed.`);
  process.exitCode = failures === 0 ? 0 : 1;
}

/** Makes a folder for PATH with node, npm and the two programs that npm needs, and no compiler. */
function bareFolder() {
  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  for (const name of ['node', 'npm', 'sh', 'env']) {
    fs.symlinkSync(
      name === 'node' ? process.execPath : run('which', [name]).trim(),
      path.join(bin, name),
    );
  }
  return bin;
}

/**
 * Runs a script in a consumer's folder, so that it imports the installed package. Copies it from
 * test/package if it is one of those.
 */
export function runInside(home, script, args, options = {}) {
  const { env = {}, flags = [], program = process.execPath, ...others } = options;
  const source = path.join(root, 'test', 'package', script);
  if (fs.existsSync(source)) fs.copyFileSync(source, path.join(home, script));
  const all = { ...bare, ...env };
  const result = spawnSync(program, [...flags, script, ...args], {
    cwd: home,
    env: all,
    encoding: 'utf8',
    ...others,
  });
  return { ...result, output: `${result.stdout}${result.stderr}`.trim() };
}

/** Runs a program that must print that it embedded. Returns all that it printed. */
export function embeds(home, script, args = embedArguments, options = {}) {
  const { status, stdout, output } = runInside(home, script, args, options);
  if (status !== 0 || !/^embedded$/m.test(stdout))
    throw new Error(output || `it ended with exit code ${status}`);
  return output;
}

/** As embeds. The program must have loaded the addon in `file`. */
export function embedsWith(file, home, script, options = {}) {
  const env = { ...options.env, NODE_DEBUG: 'qwen3-embed' };
  const output = embeds(home, script, embedArguments, { ...options, env });
  if (!output.includes(file)) throw new Error(`it does not load ${file}:\n${output}`);
}

/** Runs a program whose `require` must fail with a message that matches all `patterns`. */
export function failsToLoad(home, patterns, { script = 'embed.cjs', ...options } = {}) {
  const { status, signal, output } = runInside(home, script, embedArguments, options);
  if (status !== 1)
    throw new Error(`it ended with ${signal ?? status}, not with exit code 1: ${output}`);
  for (const pattern of patterns)
    if (!pattern.test(output)) throw new Error(`${pattern} is missing from:\n${output}`);
  return output.split('\n').find((line) => /^\w*Error/.test(line));
}

/** The path of the prebuild for this machine in an installed package. */
export function prebuildOf(home) {
  return require('node-gyp-build').resolve(path.join(home, 'node_modules', 'qwen3-embed'));
}

/**
 * Copies the consumer, with a file in place of the CUDA library if none was built. Returns the
 * library's path from `home`.
 */
export function copyConsumer(home) {
  fs.cpSync(consumer, home, { recursive: true });
  fs.rmSync(path.join(home, 'node_modules', '.bin'), { recursive: true });
  const library = path.join(path.dirname(prebuildOf(home)), 'libqwen3_embed_cuda.so');
  if (!fs.existsSync(library)) fs.writeFileSync(library, 'in place of the library');
  return path.relative(home, library);
}
