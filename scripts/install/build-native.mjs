// Builds build/Release/qwen3_embed.node with CMake and shows progress. npm, node-gyp and
// prebuildify all build through this script.
//
//   node scripts/install/build-native.mjs [--if-needed] [--tests]
//
//   --if-needed   do nothing if an addon is present that loads (for npm's install script)
//   --tests       also build the C++ tests and kernel benchmarks
//
// The environment variable QWEN3_EMBED_CUDA=ON builds the CUDA library for all GPUs, OFF builds
// none; see CMakeLists.txt. Other arguments are ignored, because prebuildify and node-gyp pass
// their own. If PREBUILD_PLATFORM and PREBUILD_ARCH (set by prebuildify) name another platform than
// this machine's, cmake/<platform>-<arch>.cmake selects the cross compiler.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { missingTools } from './compiler.mjs';
import { fail, isMain } from './report.mjs';
import { root } from './stamp.mjs';

const machine = `${process.platform}-${process.arch}`;
const { PREBUILD_PLATFORM = process.platform, PREBUILD_ARCH = process.arch } = process.env;
const platform = `${PREBUILD_PLATFORM}-${PREBUILD_ARCH}`;

/** The CMake build tree of the target platform. Its tests and benchmarks are built below it. */
export const buildDirectory = path.join(root, 'build', `cmake-${platform}`);

// [ 42%] Building CXX object test/native/CMakeFiles/native_tests.dir/main.cc.o
const compileStep = new RegExp(
  [
    /^\[\s*(?<percent>\d+)%\] Building \w+ object /,
    /(?<folder>.*?)CMakeFiles\/[^/]+\.dir\/(?<file>.+)\.o(bj)?$/,
  ]
    .map(({ source }) => source)
    .join(''),
);

const addonFile = path.join(
  platform === machine ? root : buildDirectory,
  'build',
  'Release',
  'qwen3_embed.node',
);

/** Builds the Release addon, and with `tests` the C++ tests. An error names what to install. */
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

/** Configures a CMake build tree of the project and builds the given targets in it. */
export async function buildTree(directory, options, targets = ['all']) {
  removeMovedTree(directory);
  const configured = spawnSync('cmake', ['-S', root, '-B', directory, ...options], {
    encoding: 'utf8',
  });
  if (configured.status !== 0) {
    throw new Error(
      `CMake could not configure the build:\n${configured.stdout}${configured.stderr}`,
    );
  }

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
    const step = compileStep.exec(line)?.groups;
    if (step) console.log(`  [${step.percent.padStart(3)}%] ${sourceOf(step)}`);
    else if (/error|warning|\*\*\*/i.test(line)) console.log(line);
  }
  if ((await ended) !== 0)
    throw new Error("The native build failed; see the compiler's output above.");
}

/** The source of a compile step. CMake writes `..` as `__` in the names of object files. */
function sourceOf({ folder, file }) {
  return path.posix.join(folder, file.replaceAll('__/', '../'));
}

/** Describes the built addon: file, size, instruction sets, and whether CUDA was built. */
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
  const list = sets.map((set) => names[set]).join(', ');
  return `${path.relative(root, addonFile)}, ${size} KB, for ${list}${cuda}`;
}

/** Removes a CMake build tree whose cached source path is stale because the checkout was moved. */
function removeMovedTree(directory) {
  const cache = path.join(directory, 'CMakeCache.txt');
  if (!fs.existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(fs.readFileSync(cache, 'utf8'))?.[1];
  if (home !== root.replaceAll('\\', '/')) fs.rmSync(directory, { recursive: true });
}

/**
 * Whether the addon loads. Tried in a child process: Linux kills one that loads a truncated file.
 */
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
