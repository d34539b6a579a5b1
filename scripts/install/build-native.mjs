// Builds build/Release/qwen3_embed.node by CMake, with progress. The one script behind npm, node-gyp and prebuildify.
//
//   node scripts/install/build-native.mjs [--if-needed] [--tests]
//
//   --if-needed   do nothing where an addon that loads is already there (as npm's install script)
//   --tests       build the C++ tests and kernel benchmarks too
//
// QWEN3_EMBED_CUDA=ON in the environment builds the CUDA library for all cards, OFF none; see CMakeLists.txt.
// Other arguments are left alone: prebuildify and node-gyp pass their own. For another platform than this machine's
// (PREBUILD_PLATFORM and PREBUILD_ARCH, set by prebuildify) cmake/<platform>-<arch>.cmake names the cross compiler.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { missingTools } from './compiler.mjs';
import { fail, isMain } from './report.mjs';
import { root } from './stamp.mjs';

const machine = `${process.platform}-${process.arch}`;
const platform = `${process.env.PREBUILD_PLATFORM ?? process.platform}-${process.env.PREBUILD_ARCH ?? process.arch}`;

/** The CMake tree of the platform to build for, this machine as a rule; its tests and benchmarks lie below it. */
export const buildDirectory = path.join(root, 'build', `cmake-${platform}`);

// [ 42%] Building CXX object test/native/CMakeFiles/native_tests.dir/main.cc.o
const compiling =
  /^\[\s*(?<percent>\d+)%\] Building \w+ object (?<folder>.*?)CMakeFiles\/[^/]+\.dir\/(?<file>.+)\.o(bj)?$/;

const addonFile = path.join(
  platform === machine ? root : buildDirectory,
  'build',
  'Release',
  'qwen3_embed.node',
);

/** Builds the Release addon, with `tests` the C++ tests too. Throws with what to do about it. */
export async function buildNative({ tests = false } = {}) {
  const missing = missingTools();
  if (missing) throw new Error(missing);
  console.log(`Building the native part${tests ? ' and its tests' : ''} (Release)`);
  const options = [`-DQWEN3_EMBED_TESTS=${tests ? 'ON' : 'OFF'}`];
  if (platform !== machine) {
    options.push(
      `-DCMAKE_TOOLCHAIN_FILE=${path.join(root, 'cmake', `${platform}.cmake`)}`,
      '-DQWEN3_EMBED_CUDA=OFF',
    );
  } else if (process.env.QWEN3_EMBED_CUDA) {
    options.push(`-DQWEN3_EMBED_CUDA=${process.env.QWEN3_EMBED_CUDA}`);
  }
  await buildTree(buildDirectory, options);
}

/** Configures one CMake tree of the project, and builds all or some targets of it. */
export async function buildTree(directory, options, targets = ['all']) {
  forgetMovedTree(directory);
  const configured = spawnSync('cmake', ['-S', root, '-B', directory, ...options], {
    encoding: 'utf8',
  });
  if (configured.status !== 0)
    throw new Error(`CMake could not configure:\n${configured.stdout}${configured.stderr}`);

  const args = [
    '--build',
    directory,
    '--target',
    ...targets,
    '--parallel',
    String(os.availableParallelism()),
  ];
  const build = spawn('cmake', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => build.on('close', resolve));
  for await (const line of readline.createInterface({ input: build.stdout })) {
    const step = compiling.exec(line)?.groups;
    if (step) console.log(`  [${step.percent.padStart(3)}%] ${sourceOf(step)}`);
    else if (/error|warning|\*\*\*/i.test(line)) console.log(line);
  }
  if ((await ended) !== 0) throw new Error('The native build failed; the compiler says why above.');
}

/** CMake writes `..` as `__` in the names of objects. */
function sourceOf({ folder, file }) {
  return path.posix.join(folder, file.replaceAll('__/', '../'));
}

/** What the build made, for people to read. */
export function describeBuild() {
  const names = {
    avx512bf16: 'AVX-512 BF16',
    avx512: 'AVX-512',
    avx2: 'AVX2+FMA',
    neonbf16: 'NEON BF16',
    neon: 'NEON',
    scalar: 'scalar',
  };
  const sets = fs
    .readFileSync(path.join(buildDirectory, 'instruction-sets.txt'), 'utf8')
    .trim()
    .split(';');
  const size = Math.round(fs.statSync(addonFile).size / 1024);
  const cuda = fs.existsSync(path.join(path.dirname(addonFile), 'libqwen3_embed_cuda.so'))
    ? ', and CUDA'
    : '';
  return `${path.relative(root, addonFile)}, ${size} KB, for ${sets.map((set) => names[set]).join(', ')}${cuda}`;
}

/** A CMake tree remembers where its sources lie; in a moved checkout it is of no use. */
function forgetMovedTree(directory) {
  const cache = path.join(directory, 'CMakeCache.txt');
  if (!fs.existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(fs.readFileSync(cache, 'utf8'))?.[1];
  if (home !== root.replaceAll('\\', '/')) fs.rmSync(directory, { recursive: true });
}

/** Tried in a process of its own: Linux kills one that loads a binary which was cut short. */
function addonLoads() {
  const script = `require('node-gyp-build')(${JSON.stringify(root)})`;
  return spawnSync(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' }).status === 0;
}

if (isMain(import.meta)) {
  const ifNeeded =
    process.argv.includes('--if-needed') && process.env.npm_config_build_from_source !== 'true';
  if (!(ifNeeded && addonLoads())) {
    await buildNative({ tests: process.argv.includes('--tests') }).catch(fail);
    console.log(`Built ${describeBuild()}`);
  }
}
