// npm run check:mutants [-- WORD ...]: mutation testing. Applies one mutant at a time to a copy of
// the project, builds it, and runs the tests that should kill it: at least one of them must fail.
// Takes about two hours for all mutants. WORDs select the mutants whose name and file contain all
// of them: "lib/" or "native/engine", for example.
//
// mutants/ has a list for each source file that has mutants. A list exports `file`, the path of the
// source, and `mutants`, each of which has these fields:
//   name          the fault
//   text          the text whose first occurrence in the file is replaced
//   replacement   the new text
//   suite         where the tests are: a C++ test program ('native_tests', 'emulator_tests'), or a
//                 test file of vitest without its folder and ending ('lib/options'). If all mutants
//                 of a list have the same one, the list exports it instead
//   tests         part of the names of the tests to run, one or more of which must fail

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildDirectory } from '../install/build-native.mjs';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const copy = path.join(root, 'build', 'mutants');
const build = path.join(copy, path.relative(root, buildDirectory));
const results = path.join(copy, 'build', 'test-results.json');
// Not copied: what is built or installed, and biome.json, which may exist once only.
const excluded = ['.git', 'biome.json', 'build', 'dist', 'node_modules', 'prebuilds'];
const sources = fs.readdirSync(root).filter((name) => !excluded.includes(name));

try {
  const words = process.argv.slice(2);
  const mutants = await allMutants();
  const chosen = mutants.filter(({ name, file }) =>
    words.every((word) => `${name} ${file}`.includes(word)),
  );
  if (chosen.length === 0)
    throw new Error(`no mutant has '${words.join(' ')}' in its name or file`);
  prepare();
  for (const key of new Set(chosen.map(({ suite, tests }) => JSON.stringify([suite, tests])))) {
    const [suite, tests] = JSON.parse(key);
    if (testsFail(suite, tests)) throw new Error(`'${tests}' of ${suite} fails without any mutant`);
  }
  const survivors = chosen.filter((mutant) => {
    const outcome = outcomeOf(mutant);
    console.log(`${outcome} '${mutant.tests}'  ${mutant.file}: ${mutant.name}`);
    return outcome !== 'killed by';
  });
  if (survivors.length > 0)
    throw new Error(`${survivors.length} of ${chosen.length} mutants were not killed`);
  console.log(`all ${chosen.length} mutants were killed`);
} catch (error) {
  fail(error);
}

/** The mutants of all lists, each with its file and suite. */
async function allMutants() {
  const folder = path.join(root, 'scripts', 'check', 'mutants');
  const lists = fs
    .readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.mjs'))
    .sort();
  const modules = await Promise.all(lists.map((list) => import(path.join(folder, list))));
  return modules.flatMap(({ file, suite, mutants }) =>
    mutants.map((mutant) => ({ file, suite, ...mutant })),
  );
}

function prepare() {
  for (const name of sources) synchronize(name);
  const packages = path.join(copy, 'node_modules');
  if (!fs.existsSync(packages)) fs.symlinkSync(path.join(root, 'node_modules'), packages);
  const options = ['-DQWEN3_EMBED_TESTS=ON', '-DQWEN3_EMBED_CUDA=OFF', '-DCMAKE_CXX_FLAGS=-w'];
  run('cmake', ['-S', copy, '-B', build, ...options]);
  compile();
}

/**
 * Makes a file or folder of the copy the same as in the project. Files that are the same already
 * are not written, so that only the code of an interrupted run is built again.
 */
function synchronize(name) {
  const [from, to] = [path.join(root, name), path.join(copy, name)];
  if (fs.statSync(from).isDirectory()) {
    fs.mkdirSync(to, { recursive: true });
    const names = fs.readdirSync(from);
    for (const old of fs.readdirSync(to))
      if (!names.includes(old)) fs.rmSync(path.join(to, old), { recursive: true });
    for (const each of names) synchronize(path.join(name, each));
  } else if (!fs.existsSync(to) || !fs.readFileSync(from).equals(fs.readFileSync(to))) {
    fs.copyFileSync(from, to);
  }
}

/** Builds what has changed since the last call. */
function compile() {
  run('cmake', ['--build', build, '--parallel', String(os.availableParallelism())]);
  // A mutant may leave a variable unused, which must be no error.
  const options = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [compiler, '-p', copy, ...options]);
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
}

function outcomeOf({ file, text, replacement, suite, tests }) {
  const target = path.join(copy, file);
  const original = fs.readFileSync(target, 'utf8');
  if (!original.includes(text))
    throw new Error(`${file} no longer contains '${text}': update the list of mutants`);
  fs.writeFileSync(
    target,
    original.replace(text, () => replacement),
  );
  try {
    compile();
    return testsFail(suite, tests) ? 'killed by' : 'SURVIVED';
  } catch (error) {
    console.log(error.message);
    return 'CANNOT RUN';
  } finally {
    fs.writeFileSync(target, original);
  }
}

/**
 * Whether a test of the suite whose name contains `part` fails, or the test program crashes or does
 * not end.
 */
function testsFail(suite, part) {
  if (!suite.includes('/')) {
    const program = path.join(build, 'bin', suite);
    const { status, stdout } = runToEnd(program, ['--filter', part]);
    if (status === 0 && !stdout.includes('"ok":true')) throw noTest(suite, part);
    return status !== 0;
  }
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const name = part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const args = [vitest, 'run', `test/${suite}.test.ts`, '--testNamePattern', name];
  fs.rmSync(results, { force: true });
  const { status } = runToEnd(process.execPath, args);
  if (status !== 0) return true;
  if (JSON.parse(fs.readFileSync(results, 'utf8')).numPassedTests === 0) throw noTest(suite, part);
  return false;
}

/** Kills a program that does not end, with its children. */
function runToEnd(program, args) {
  const timed = ['--signal=KILL', '300', program, ...args];
  return spawnSync('timeout', timed, { cwd: copy, encoding: 'utf8', maxBuffer: 2 ** 30 });
}

function noTest(suite, part) {
  return new Error(`no test of ${suite} has '${part}' in its name`);
}
