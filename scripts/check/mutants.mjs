// npm run check:mutants [-- WORD ...]: mutation testing of the CUDA code. Applies one mutant at a
// time to a copy of the code and runs tests on the emulated device: at least one must fail. Takes
// about an hour for all mutants. WORDs select the mutants whose name and file contain all of them.
//
// mutants/ has a file of mutants for each file of cuda/ that they change. A mutant's fields:
//   name          the fault
//   text          the text whose first occurrence in the file is replaced
//   replacement   the new text
//   tests         part of the names of the tests to run, one or more of which must fail

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const copy = path.join(root, 'build', 'mutants', 'cuda');
const build = path.join(root, 'build', 'mutants', 'cmake');

try {
  const words = process.argv.slice(2);
  const mutants = await allMutants();
  const chosen = mutants.filter(({ name, file }) =>
    words.every((word) => `${name} ${file}`.includes(word)),
  );
  if (chosen.length === 0)
    throw new Error(`no mutant has '${words.join(' ')}' in its name or file`);
  prepare();
  for (const tests of new Set(chosen.map((mutant) => mutant.tests))) {
    if (testsFail(tests)) throw new Error(`the tests '${tests}' fail without any mutant`);
  }
  const survivors = chosen.filter((mutant) => {
    const killed = withMutant(mutant, () => testsFail(mutant.tests));
    const outcome = killed ? 'killed by' : 'SURVIVED';
    console.log(`${outcome} '${mutant.tests}'  ${mutant.file}: ${mutant.name}`);
    return !killed;
  });
  if (survivors.length > 0)
    throw new Error(`${survivors.length} of ${chosen.length} mutants survived`);
  console.log(`all ${chosen.length} mutants were killed`);
} catch (error) {
  fail(error);
}

/** The mutants of all files, each with its `file`. */
async function allMutants() {
  const lists = fs.readdirSync(path.join(root, 'scripts', 'check', 'mutants'));
  const modules = await Promise.all(lists.map((list) => import(`./mutants/${list}`)));
  return modules.flatMap(({ file, mutants }) => mutants.map((mutant) => ({ file, ...mutant })));
}

function prepare() {
  fs.rmSync(copy, { recursive: true, force: true });
  // The copies are newer than the objects of an earlier run, so that all are rebuilt.
  fs.cpSync(path.join(root, 'cuda'), copy, { recursive: true });
  const options = [
    '-DQWEN3_EMBED_TESTS=ON',
    '-DQWEN3_EMBED_CUDA=OFF',
    `-DQWEN3_EMULATOR_KERNELS=${copy}`,
  ];
  run('cmake', ['-S', root, '-B', build, ...options]);
  compile();
}

function compile() {
  run('cmake', ['--build', build, '--target', 'emulator_tests', '--parallel', '2']);
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
}

function withMutant({ file, text, replacement }, check) {
  const target = path.join(copy, file);
  const original = fs.readFileSync(target, 'utf8');
  if (!original.includes(text))
    throw new Error(`${file} no longer contains '${text}': update the list of mutants`);
  const mutated = original.replace(text, () => replacement);
  fs.writeFileSync(target, mutated);
  try {
    compile();
    return check();
  } finally {
    fs.writeFileSync(target, original);
  }
}

/** Whether a test whose name contains `part` fails, or the test program crashes or times out. */
function testsFail(part) {
  const result = spawnSync(path.join(build, 'bin', 'emulator_tests'), ['--filter', part], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (result.status === 0 && !result.stdout.includes('"ok":true'))
    throw new Error(`no test has '${part}' in its name`);
  return result.status !== 0;
}
