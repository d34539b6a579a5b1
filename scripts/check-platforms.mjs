// npm run check:platforms: the package on everything that this machine can play, as a table.
//
//   Node 20, 22, 24, 26   the test suite, with the one addon that lies in build/Release
//   linux-arm64           cross-built; C++ op tests and reference outputs under qemu, with BF16 instructions and without
//   win32-x64             cross-built; reference outputs under Wine, as node.exe and renamed
//   workers               ended with work in flight, 1,000 times; memory must not grow
//
// `--short`: Node 26 alone without the slowest tests, no C++ tests under qemu, 100 workers. A platform whose tools are
// missing is "not run": on Debian they are g++-aarch64-linux-gnu qemu-user-static g++-mingw-w64-x86-64-posix wine64 wine.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { install, pack, run, temporaryFolder } from './package.mjs';
import { prebuildify } from './prebuildify.mjs';
import { root } from './stamp.mjs';
import { nodeBinary } from './tools.mjs';

const short = process.argv.includes('--short');
const folder = temporaryFolder();
const versions = short ? ['26.10.0'] : ['20.20.2', '22.23.3', '24.21.0', '26.10.0'];
const slow = ['test/native.test.ts', 'test/vectors.test.ts', 'test/lifetime.test.ts'];
const foreignNode = '20.20.2';
const rows = [];

/** One row of the table: `body` throws, or gives what it saw. */
function check(platform, what, body) {
  const begin = performance.now();
  let result;
  try {
    result = `ok: ${body()}`;
  } catch (error) {
    result = `FAILED: ${error.message}`;
    process.exitCode = 1;
  }
  rows.push([platform, what, `${((performance.now() - begin) / 1000).toFixed(0)} s`, result]);
  console.log(rows.at(-1).join(' | '));
}

function has(...programs) {
  const missing = programs.filter((name) => spawnSync('which', [name]).status !== 0);
  return missing.length === 0;
}

function suite(version) {
  check(`linux-x64, Node ${version}`, 'test suite', () => {
    const report = path.join(folder, `suite-${version}.json`);
    const except = short ? slow.flatMap((file) => ['--exclude', file]) : [];
    const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
    run(nodeBinary(version), [vitest, 'run', '--reporter=json', `--outputFile=${report}`, ...except]);
    const { numPassedTests, numPendingTests } = JSON.parse(fs.readFileSync(report, 'utf8'));
    return `${numPassedTests} tests passed${numPendingTests ? `, ${numPendingTests} skipped` : ''}`;
  });
}

/** Runs the reference outputs in a foreign Node, started as `command` with `args` and then the script's own. */
function goldens(platform, what, home, command, args, options = {}) {
  check(platform, what, () => {
    const report = path.join(folder, 'goldens.json');
    fs.rmSync(report, { force: true });
    const script = path.join(home, 'goldens.cjs');
    fs.copyFileSync(path.join(root, 'test', 'package', 'goldens.cjs'), script);
    const output = path.join(folder, 'output.txt');
    const file = fs.openSync(output, 'w'); // under Wine, Node cannot write to a pipe
    const end = () => fs.readFileSync(output, 'utf8').trim().split('\n').slice(-6).join('\n');
    try {
      run(command, [...args, script, root, report], { stdio: ['ignore', file, file], timeout: 900_000, ...options });
    } catch (error) {
      const told = fs.existsSync(report) ? fs.readFileSync(report, 'utf8') : '';
      throw new Error(`${error.message} ${told} ${end()}`);
    }
    const { node, results, rss } = JSON.parse(fs.readFileSync(report, 'utf8'));
    const bad = results.filter(({ ok }) => !ok);
    if (bad.length > 0) throw new Error(JSON.stringify(bad));
    const sets = [...new Set(results.map(({ instructionSet }) => instructionSet))].join(' and ');
    const worst = (precision) =>
      Math.max(...results.filter((each) => each.precision === precision).map(({ apart }) => apart));
    const inputs = results.reduce((sum, each) => sum + each.inputs, 0);
    return `Node ${node.slice(1)}, ${sets}, ${inputs} vectors, 1 - cos at most ${worst('f32').toExponential(1)} in f32, ${worst('bf16').toExponential(1)} in bf16, ${Math.round(rss / 1e6)} MB resident`;
  });
}

function foreign() {
  const arm = has('aarch64-linux-gnu-g++', 'qemu-aarch64-static');
  const windows = has('x86_64-w64-mingw32-g++-posix', 'wine');
  const built = [];
  for (const target of [arm && 'linux-arm64', windows && 'win32-x64'].filter(Boolean)) {
    check(target, 'cross-build', () => {
      prebuildify(target);
      built.push(target);
      return fs.readdirSync(path.join(root, 'prebuilds', target)).join(', ');
    });
  }
  if (!arm) rows.push(['linux-arm64', 'cross-build', '', 'not run: no cross compiler or no qemu']);
  if (!windows) rows.push(['win32-x64', 'cross-build', '', 'not run: no cross compiler or no Wine']);
  if (built.length === 0) return;

  const packed = pack(root);
  const home = path.join(folder, 'consumer');
  install(packed.file, home, { args: ['--ignore-scripts'] });
  fs.rmSync(packed.file);
  if (built.includes('linux-arm64')) onArm(home);
  if (built.includes('win32-x64')) onWindows(home);
}

function onArm(home) {
  const node = nodeBinary(foreignNode, 'linux', 'arm64');
  const qemu = (cpu) => ['-L', '/usr/aarch64-linux-gnu', '-cpu', cpu];
  goldens('linux-arm64 under qemu', 'reference outputs, without BF16', home, 'qemu-aarch64-static', [
    ...qemu('cortex-a72'),
    node,
  ]);
  goldens('linux-arm64 under qemu', 'reference outputs, with BF16', home, 'qemu-aarch64-static', [
    ...qemu('max'),
    node,
  ]);
  if (short) return;
  check('linux-arm64 under qemu', 'C++ op tests', () => {
    const tree = path.join(root, 'build', 'cmake-linux-arm64');
    run('cmake', ['-S', root, '-B', tree, '-DQWEN3_EMBED_TESTS=ON']);
    run('cmake', ['--build', tree, '--parallel', '2', '--target', 'native_tests']);
    const lines = run('qemu-aarch64-static', [...qemu('max'), path.join(tree, 'bin', 'native_tests')]);
    const bad = lines.split('\n').filter((line) => line.includes('"ok":false'));
    if (bad.length > 0) throw new Error(bad.join('\n'));
    return `${lines.split('\n').filter((line) => line.includes('"ok":true')).length} passed`;
  });
}

function onWindows(home) {
  const env = { WINEPREFIX: path.join(folder, 'wine'), WINEDEBUG: '-all', WINEARCH: 'win64' };
  run('wine', ['winecfg', '-v', 'win10'], { env, stdio: 'ignore' });
  const node = nodeBinary(foreignNode, 'win32', 'x64');
  const renamed = path.join(path.dirname(node), 'electron.exe');
  fs.copyFileSync(node, renamed);
  goldens('win32-x64 under Wine', 'reference outputs', home, 'wine', [node], { env });
  goldens('win32-x64 under Wine', 'reference outputs, node.exe renamed to electron.exe', home, 'wine', [renamed], {
    env,
  });
}

function workers() {
  const count = short ? 100 : 1000;
  check('linux-x64', `${count} workers ended with work in flight`, () => {
    const home = path.join(folder, 'workers');
    fs.mkdirSync(path.join(home, 'node_modules'), { recursive: true });
    fs.symlinkSync(root, path.join(home, 'node_modules', 'qwen3-embed'));
    fs.copyFileSync(path.join(root, 'test', 'package', 'terminate.cjs'), path.join(home, 'terminate.cjs'));
    const model = path.join(root, 'models', 'qwen3-embedding-small');
    const output = run(process.execPath, ['--expose-gc', path.join(home, 'terminate.cjs'), model, String(count)]);
    const { megabytes, each } = JSON.parse(output);
    return `resident ${megabytes.join(' ')} MB, ${each} bytes stay of each`;
  });
}

workers();
foreign();
for (const version of versions) suite(version);

const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].split('\n')[0].length)));
console.log();
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.split('\n')[0].padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
