// npm run check:mutants [-- WORD ...]: mutation testing. Applies one mutant at a time to a copy of
// the project, builds it, and runs the tests that should kill it: at least one of them must fail,
// crash, or not end within ten minutes. Takes two hours for all mutants. WORDs select the mutants
// whose name and file contain all of them: "lib/" or "native/engine", for example. Runs on Linux on
// x86-64 with AVX2, one run at a time.
//
// mutants/ has a list for each source file that has mutants. A list exports `file`, the path of the
// source, and `mutants`, each of which has these fields:
//   name          the fault
//   text          the text whose first occurrence in the file is replaced
//   replacement   the new text
//   suite         where the tests are: a C++ test program ('native_tests', 'emulator_tests'), or a
//                 test file of vitest without its folder and ending ('lib/options'). If all mutants
//                 of a list have the same one, the list exports it instead
//   tests         part of the names of the tests to run

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
const packages = path.join(root, 'node_modules');
// Not copied: what is built or installed, and biome.json, which may exist once only.
const excluded = ['.git', 'biome.json', 'build', 'dist', 'node_modules', 'prebuilds'];

try {
  const words = process.argv.slice(2);
  const mutants = await allMutants();
  const chosen = mutants.filter(({ name, file }) =>
    words.every((word) => `${name} ${file}`.includes(word)),
  );
  if (chosen.length === 0)
    throw new Error(`no mutant has all of ${words.join(', ')} in its name and file`);
  prepare();
  for (const key of new Set(chosen.map(({ suite, tests }) => JSON.stringify([suite, tests])))) {
    const [suite, tests] = JSON.parse(key);
    const failure = failureOf(suite, tests);
    if (failure) throw new Error(`'${tests}' of ${suite} ${failure} without any mutant`);
  }
  const survivors = chosen.filter((mutant) => {
    const outcome = outcomeOf(mutant);
    console.log(`${outcome}: '${mutant.tests}'  ${mutant.file}: ${mutant.name}`);
    return !outcome.startsWith('killed');
  });
  if (survivors.length > 0)
    throw new Error(`${survivors.length} of ${chosen.length} mutants were not killed`);
  console.log(`killed all mutants: ${chosen.length}`);
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
  synchronize('', excluded);
  const link = path.join(copy, 'node_modules');
  if (!fs.existsSync(link)) fs.symlinkSync(packages, link);
  fs.rmSync(path.join(copy, 'dist'), { recursive: true, force: true });
  // -w: a mutant may leave a variable unused, which must be no error.
  const options = ['-DQWEN3_EMBED_TESTS=ON', '-DQWEN3_EMBED_CUDA=OFF', '-DCMAKE_CXX_FLAGS=-w'];
  run('cmake', ['-S', copy, '-B', build, ...options]);
  compile();
}

/**
 * Makes a file or folder of the copy the same as in the project, except for the names in `skip`.
 * Files that are the same already are not written, so that only the code of an interrupted run is
 * built again.
 */
function synchronize(name, skip = []) {
  const [from, to] = [path.join(root, name), path.join(copy, name)];
  if (fs.statSync(from).isDirectory()) {
    fs.mkdirSync(to, { recursive: true });
    const names = fs.readdirSync(from).filter((each) => !skip.includes(each));
    for (const old of fs.readdirSync(to))
      if (![...names, ...skip].includes(old)) fs.rmSync(path.join(to, old), { recursive: true });
    for (const each of names) synchronize(path.join(name, each));
  } else if (!fs.existsSync(to) || !fs.readFileSync(from).equals(fs.readFileSync(to))) {
    fs.copyFileSync(from, to);
  }
}

/** Builds what has changed since the last call. */
function compile() {
  run('cmake', ['--build', build, '--parallel', String(os.availableParallelism())]);
  const options = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
  const compiler = path.join(packages, 'typescript', 'bin', 'tsc');
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
  try {
    if (!original.includes(text)) throw new Error(`${file} no longer contains '${text}'`);
    fs.writeFileSync(
      target,
      original.replace(text, () => replacement),
    );
    compile();
    const failure = failureOf(suite, tests);
    return failure ? `killed, ${failure}` : 'SURVIVED';
  } catch (error) {
    console.log(error.message);
    return 'CANNOT RUN';
  } finally {
    fs.writeFileSync(target, original);
  }
}

/**
 * What happens if not all tests of the suite whose names contain `part` pass: it "fails", "crashes"
 * or "does not end".
 */
function failureOf(suite, part) {
  const isProgram = !suite?.includes('/');
  const file = isProgram ? path.join(build, 'bin', `${suite}`) : `test/${suite}.test.ts`;
  if (!fs.existsSync(path.resolve(copy, file))) throw new Error(`there is no suite ${suite}`);
  const vitest = path.join(packages, 'vitest', 'vitest.mjs');
  const pattern = part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const command = isProgram
    ? [file, '--filter', part]
    : [process.execPath, vitest, 'run', file, '--testNamePattern', pattern];
  fs.rmSync(results, { force: true });
  // Kills a program that does not end, and its children.
  const { status, signal, stdout } = spawnSync('timeout', ['--signal=KILL', '600', ...command], {
    cwd: copy,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (signal === 'SIGKILL' || status === 137) return 'does not end';
  const { passed, failed } = isProgram ? linesOf(stdout) : resultsOfVitest();
  if (failed) return 'fails';
  // A test program exits with 1 if it runs no test.
  if (!passed && (status === 0 || (isProgram && status === 1)))
    throw new Error(`no test of ${suite} has '${part}' in its name`);
  return status === 0 ? undefined : 'crashes';
}

/** Whether tests have passed and failed. */
function linesOf(output) {
  return { passed: output.includes('"ok":true'), failed: output.includes('"ok":false') };
}

/** The same of vitest; neither if it crashed before it wrote its results. */
function resultsOfVitest() {
  if (!fs.existsSync(results)) return { passed: false, failed: false };
  const { numPassedTests, numFailedTests } = JSON.parse(fs.readFileSync(results, 'utf8'));
  return { passed: numPassedTests > 0, failed: numFailedTests > 0 };
}
