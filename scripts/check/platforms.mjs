// npm run check:platforms [-- PART ...]: tests the package on every platform that this machine can
// run or emulate, and prints a table. The parts, all by default:
//
//   workers   terminates 1,000 workers with work in flight; memory must not grow
//   arm64     cross-build; under qemu: reference outputs with and without BF16 instructions, and
//             the C++ op tests
//   windows   cross-build; under Wine: reference outputs, with node.exe, and with a copy of it that
//             is called electron.exe
//   node      the test suite under Node 20, 22, 24 and 26, all with the addon in build/Release
//
// `--short` reduces this to 100 workers, reference outputs up to 16 tokens, qemu with BF16
// instructions and without the op tests, and Node 26 without the slowest tests. A platform whose
// tools are missing is "not run"; .ci/run lists their Debian packages.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root } from '../install/stamp.mjs';
import { prebuildify } from '../package/prebuildify.mjs';
import { install, pack, run, temporaryFolder } from '../package/tarball.mjs';
import { nodeBinary } from '../tools.mjs';

const short = process.argv.includes('--short');
const folder = temporaryFolder();
const model = path.join(root, 'models', 'qwen3-embedding-small');
const [oldest, newest] = ['20.20.2', '26.10.0'];
const versions = short ? [newest] : [oldest, '22.23.3', '24.21.0', newest];
const slow = [
  'native/native',
  'embedder/vectors',
  'embedder/lifetime',
  'lib/checkpoint_fuzz',
  'embedder/cuda',
  'cuda/emulator',
  'cuda/bench',
].map((name) => `test/${name}.test.ts`);
for (const file of slow) {
  if (!fs.existsSync(path.join(root, file))) throw new Error(`${file} does not exist`);
}
const rows = [];

function show(row) {
  rows.push(row);
  console.log(row.join(' | '));
}

/** Adds a row to the table: `body` returns the result, or throws. Returns whether it passed. */
function check(platform, what, body) {
  const begin = performance.now();
  let result;
  try {
    result = `ok: ${body()}`;
  } catch (error) {
    result = `FAILED: ${error.message}`;
    process.exitCode = 1;
  }
  show([platform, what, `${((performance.now() - begin) / 1000).toFixed(0)} s`, result]);
  return result.startsWith('ok');
}

/**
 * Terminates `count` workers with work in flight, in Node started as `command`. `home` is the
 * folder that the package is installed in.
 */
function workers(platform, home, count, command, args = [], options = {}) {
  check(platform, `${count} workers terminated with work in flight`, () => {
    const script = path.join(home, 'terminate.cjs');
    fs.copyFileSync(path.join(root, 'test', 'package', 'terminate.cjs'), script);
    const output = runIntoFile(
      command,
      [...args, '--expose-gc', script, model, String(count)],
      options,
    );
    const { megabytes, each } = JSON.parse(output);
    return `resident ${megabytes.join(' ')} MB, ${each} bytes remain per worker`;
  });
}

/** Like `run`, but with the output in a file: under Wine, Node cannot write to a pipe. */
function runIntoFile(command, args, options) {
  const output = path.join(folder, 'output.txt');
  const file = fs.openSync(output, 'w');
  try {
    run(command, args, { stdio: ['ignore', file, file], timeout: 900_000, ...options });
  } catch (error) {
    const end = fs.readFileSync(output, 'utf8').trim().split('\n').slice(-12).join('\n');
    throw new Error(`${error.message} ${end}`);
  } finally {
    fs.closeSync(file);
  }
  return fs.readFileSync(output, 'utf8');
}

/** Compares vectors with the reference outputs, in Node started as `command`. */
function goldens(platform, what, home, command, args, options = {}) {
  check(platform, what, () => {
    const script = path.join(home, 'goldens.cjs');
    fs.copyFileSync(path.join(root, 'test', 'package', 'goldens.cjs'), script);
    const report = JSON.parse(
      runIntoFile(command, [...args, script, root, short ? '16' : '129'], options),
    );
    const bad = report.results.filter(({ ok }) => !ok);
    if (bad.length > 0) throw new Error(JSON.stringify(bad));
    const sets = [...new Set(report.results.map(({ instructionSet }) => instructionSet))].join(
      ' and ',
    );
    const worst = (precision) =>
      Math.max(
        ...report.results.filter((each) => each.precision === precision).map(({ apart }) => apart),
      );
    const [f32, bf16] = ['f32', 'bf16'].map((precision) => worst(precision).toExponential(1));
    const inputs = report.results.reduce((sum, each) => sum + each.inputs, 0);
    return [
      `Node ${report.node.slice(1)}, ${sets}, ${inputs} vectors`,
      `1 - cos at most ${f32} in f32, ${bf16} in bf16`,
      report.rss ? `${Math.round(report.rss / 1e6)} MB resident` : 'resident memory unknown',
    ].join(', ');
  });
}

/**
 * Builds the addon for another platform and installs the package with it. Returns the folder, or
 * undefined if the tools are missing or the build failed.
 */
function crossBuilt(target, programs) {
  const missing = programs.filter((name) => spawnSync('which', [name]).status !== 0);
  if (missing.length > 0)
    return show([target, 'cross-build', '', `not run: ${missing.join(', ')} not found`]);
  const home = path.join(folder, target);
  const built = check(target, 'cross-build', () => {
    prebuildify(target);
    const packed = pack(root);
    install(packed.file, home, { args: ['--ignore-scripts'] });
    fs.rmSync(packed.file);
    return fs.readdirSync(path.join(root, 'prebuilds', target)).join(', ');
  });
  return built ? home : undefined;
}

const parts = {
  workers() {
    const home = path.join(folder, 'workers');
    fs.mkdirSync(path.join(home, 'node_modules'), { recursive: true });
    fs.symlinkSync(root, path.join(home, 'node_modules', 'qwen3-embed'));
    for (const version of short ? [newest] : [oldest, newest]) {
      workers(`linux-x64, Node ${version}`, home, short ? 100 : 1000, nodeBinary(version));
    }
  },

  arm64() {
    const home = crossBuilt('linux-arm64', ['aarch64-linux-gnu-g++', 'qemu-aarch64-static']);
    if (!home) return;
    const platform = 'linux-arm64 under qemu';
    const qemu = 'qemu-aarch64-static';
    const node = nodeBinary(oldest, 'linux', 'arm64');
    const cpu = (name) => ['-L', '/usr/aarch64-linux-gnu', '-cpu', name];
    goldens(platform, 'reference outputs, with BF16', home, qemu, [...cpu('max'), node]);
    if (short) return;
    goldens(platform, 'reference outputs, without BF16', home, qemu, [...cpu('cortex-a72'), node]);
    workers(platform, home, 20, qemu, [...cpu('max'), node]);
    check(platform, 'C++ op tests', () => {
      const tree = path.join(root, 'build', 'cmake-linux-arm64');
      run('cmake', ['-S', root, '-B', tree, '-DQWEN3_EMBED_TESTS=ON']);
      run('cmake', ['--build', tree, '--parallel', '2', '--target', 'native_tests']);
      const lines = run(qemu, [...cpu('max'), path.join(tree, 'bin', 'native_tests')])
        .trim()
        .split('\n');
      const bad = lines.filter((line) => !JSON.parse(line).ok);
      if (bad.length > 0) throw new Error(bad.join('\n'));
      return `${lines.length} passed`;
    });
  },

  windows() {
    const compiler = 'x86_64-w64-mingw32-g++-posix';
    const home = crossBuilt('win32-x64', [compiler, 'wine']);
    if (!home) return;
    const platform = 'win32-x64 under Wine';
    const env = { WINEPREFIX: path.join(folder, 'wine'), WINEDEBUG: '-all', WINEARCH: 'win64' };
    run('wine', ['winecfg', '-v', 'win10'], { env, stdio: 'ignore' });
    const node = nodeBinary(oldest, 'win32', 'x64');
    const renamed = path.join(folder, 'electron.exe');
    fs.copyFileSync(node, renamed);
    goldens(platform, 'reference outputs', home, 'wine', [node], { env });
    goldens(platform, 'reference outputs, electron.exe', home, 'wine', [renamed], { env });
    if (!short) workers(platform, home, 20, 'wine', [node], { env });
    run('wineserver', ['--kill'], { env });
  },

  node() {
    for (const version of versions) {
      check(`linux-x64, Node ${version}`, 'test suite', () => {
        const except = short ? slow.flatMap((file) => ['--exclude', file]) : [];
        const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
        run(nodeBinary(version), [vitest, 'run', ...except]);
        // The output file of vitest.config.mts.
        const report = path.join(root, 'build', 'test-results.json');
        const { numPassedTests, numPendingTests } = JSON.parse(fs.readFileSync(report, 'utf8'));
        const pending = numPendingTests ? `, ${numPendingTests} skipped` : '';
        return `${numPassedTests} tests passed${pending}`;
      });
    }
  },
};

const selected = process.argv.slice(2).filter((word) => !word.startsWith('-'));
for (const [name, part] of Object.entries(parts))
  if (selected.length === 0 || selected.includes(name)) part();

const widths = rows[0].map((_, column) =>
  Math.max(...rows.map((row) => row[column].split('\n')[0].length)),
);
console.log();
for (const row of rows) {
  const cells = row.map((cell, column) => cell.split('\n')[0].padEnd(widths[column]));
  console.log(cells.join('  ').trimEnd());
}
