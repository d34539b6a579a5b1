// npm run check:gpu -- --bundle [FOLDER] [--without-data]: makes a folder, by default
// build/gpu-bundle, with everything that the GPU check needs on a machine that has a GPU and
// Python, but no Node and no network. `sh check-gpu.sh` in that folder runs the check.
//
// The programs are built on this machine, for Hopper (sm_90a). If they do not start on the machine
// with the GPU, or if it has another GPU, the check builds them there with nvcc. `--without-data`
// leaves out models and reference outputs, about half of the bundle. The folder must then be two
// levels below the root of a checkout, which they are copied from.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildDirectory, buildTree } from '../install/build-native.mjs';
import { fail, isMain } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';
import { needsNewerGlibc } from '../package/audit-binaries.mjs';
import { bytesBelow, cleanCopy, megabytes, run } from '../package/tarball.mjs';
import { setup } from '../setup.mjs';

const maxBytes = 60e6; // of a bundle for a GPU; that of the rehearsal is compressed less
const glibc = '2.34'; // the newest glibc that a packed binary may require

const sources = [
  'CMakeLists.txt',
  'package.json',
  'LICENSE',
  'bench',
  'cmake',
  'cuda',
  'native',
  'scripts',
  'test',
];
const programs = ['gpu_tests', 'gpu_bench', 'gpu_conformance'];
const libraries = ['qwen3_embed_cuda', 'qwen3_embed_cuda_watchdog'];
const packages = ['node-gyp-build', 'node-addon-api', 'node-api-headers'];

/**
 * Makes the bundle and returns its folder. `emulated` packs the emulated device in place of GPU
 * programs, with fast compression.
 */
export async function makeBundle(
  folder = path.join(root, 'build', 'gpu-bundle'),
  { emulated = false, withoutData = false } = {},
) {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('The bundle can only be made on x86-64 Linux.');
  await setup({ tests: emulated });
  fs.rmSync(folder, { recursive: true, force: true });
  const tree = path.join(folder, 'tree');
  cleanCopy(tree, [...sources, ...(withoutData ? [':(exclude)test/data'] : ['models'])]);
  const prebuilt = path.join(tree, 'prebuilt');
  fs.mkdirSync(prebuilt);
  if (emulated) copyEmulated(prebuilt);
  else await build(prebuilt);
  copyNode(tree);
  fs.writeFileSync(
    path.join(tree, 'COMMIT'),
    run('git', ['describe', '--always', '--dirty', '--abbrev=12']),
  );
  if (!emulated) checkGlibc(tree);

  fs.copyFileSync(path.join(root, 'scripts', 'gpu', 'start.sh'), path.join(folder, 'check-gpu.sh'));
  const env = { XZ_OPT: emulated ? '-0' : '-6 -T0' };
  run('tar', ['-cJf', path.join(folder, 'bundle.tar.xz'), '-C', tree, '.'], { env });
  fs.rmSync(tree, { recursive: true });
  if (!emulated && bytesBelow(folder) > maxBytes) {
    throw new Error(
      `The bundle has ${megabytes(bytesBelow(folder))}, more than ${megabytes(maxBytes)}.`,
    );
  }
  return folder;
}

async function build(prebuilt) {
  const directory = path.join(root, 'build', 'cmake-gpu');
  const bin = path.join(directory, 'bin');
  const on = ['CUDA', 'TESTS', 'GPU_TESTS'].map((name) => `-DQWEN3_EMBED_${name}=ON`);
  const options = ['-DCMAKE_CUDA_ARCHITECTURES=90a-real', `-DQWEN3_EMBED_OUTPUT=${bin}`];
  await buildTree(directory, [...on, ...options], [...libraries, ...programs]);
  for (const name of [...programs, ...libraries.map((library) => `lib${library}.so`)]) {
    fs.copyFileSync(path.join(bin, name), path.join(prebuilt, name));
    run('strip', [path.join(prebuilt, name)]);
  }
}

/**
 * Copies the emulator's programs under the names of the GPU programs. The environment variable
 * QWEN3_REHEARSAL_FAULT makes gpu_tests hang, crash or fail.
 */
function copyEmulated(prebuilt) {
  const bin = path.join(buildDirectory, 'bin');
  const copy = (from, to) => fs.copyFileSync(path.join(bin, from), path.join(prebuilt, to));
  for (const library of libraries) copy('libemulated_cuda.so', `lib${library}.so`);
  copy('emulator_conformance', 'gpu_conformance');
  copy('gpu_bench', 'gpu_bench');
  copy('emulator_tests', 'emulator_tests');
  const script = `#!/bin/sh
tests=$(dirname "$0")/../../../prebuilt/emulator_tests
shift # the library
case "\${QWEN3_REHEARSAL_FAULT:-} $*" in
  *--list*) ;;
  hang*) "$tests" "$@" && sleep 1000 ;;
  crash*) kill -SEGV $$ ;;
  fail*) echo '{"name":"a product","ok":false,"message":"row 3 is off"}' && exit 1 ;;
esac
exec "$tests" "$@"
`;
  fs.writeFileSync(path.join(prebuilt, 'gpu_tests'), script, { mode: 0o755 });
}

/**
 * Copies Node, the addon, the packages that it needs, and those to rebuild it if it does not load.
 */
function copyNode(tree) {
  for (const name of [
    'dist',
    'build/Release/qwen3_embed.node',
    ...packages.map((name) => `node_modules/${name}`),
  ]) {
    fs.cpSync(path.join(root, name), path.join(tree, name), { recursive: true });
  }
  run('strip', ['-o', path.join(tree, 'node'), process.execPath]);
  run('strip', [path.join(tree, 'build', 'Release', 'qwen3_embed.node')]);
}

function checkGlibc(tree) {
  const files = fs
    .readdirSync(path.join(tree, 'prebuilt'))
    .map((name) => path.join(tree, 'prebuilt', name));
  for (const file of [
    ...files,
    path.join(tree, 'node'),
    path.join(tree, 'build', 'Release', 'qwen3_embed.node'),
  ]) {
    const newer = needsNewerGlibc(file, glibc);
    if (newer) throw new Error(`${path.basename(file)} needs glibc ${newer}, newer than ${glibc}.`);
  }
}

if (isMain(import.meta)) {
  const { values, positionals } = parseArgs({
    options: { 'without-data': { type: 'boolean' } },
    allowPositionals: true,
  });
  const options = { withoutData: values['without-data'] };
  const folder = await makeBundle(positionals[0] && path.resolve(positionals[0]), options).catch(
    fail,
  );
  const size = megabytes(bytesBelow(folder));
  console.log(`${path.relative(process.cwd(), folder)}: ${size}; run sh check-gpu.sh in it`);
}
