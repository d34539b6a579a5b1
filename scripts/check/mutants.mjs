// npm run check:mutants: plants one fault at a time in a copy of the CUDA code and runs the tests on the emulated
// device, which must turn red. Takes about an hour; words after it choose among the faults.
//
// mutants/ has the faults, in a file for each file of cuda/ that they are planted in. A fault's fields:
//   name          what is wrong
//   text          what is replaced in the file: its first occurrence
//   replacement   by what
//   tests         part of the names of the tests that run, of which one or more must fail

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const copy = path.join(root, 'build', 'mutants', 'cuda');
const build = path.join(root, 'build', 'mutants', 'cmake');

try {
  const words = process.argv.slice(2);
  const faults = await allFaults();
  const chosen = faults.filter(({ name, file }) =>
    words.every((word) => `${name} ${file}`.includes(word)),
  );
  if (chosen.length === 0) throw new Error(`no fault has '${words.join(' ')}' in its name or file`);
  prepare();
  for (const tests of new Set(chosen.map((fault) => fault.tests))) {
    if (testsFail(tests)) throw new Error(`'${tests}' fails without any fault`);
  }
  const unseen = chosen.filter((fault) => {
    const seen = withFault(fault, () => testsFail(fault.tests));
    console.log(`${seen ? 'seen' : 'NOT SEEN'} by '${fault.tests}'  ${fault.file}: ${fault.name}`);
    return !seen;
  });
  if (unseen.length > 0)
    throw new Error(`${unseen.length} of ${chosen.length} faults were not seen`);
  console.log(`all ${chosen.length} faults were seen`);
} catch (error) {
  fail(error);
}

/** Those of all files, each with its `file`. */
async function allFaults() {
  const lists = fs.readdirSync(path.join(root, 'scripts', 'check', 'mutants'));
  const modules = await Promise.all(lists.map((list) => import(`./mutants/${list}`)));
  return modules.flatMap(({ file, faults }) => faults.map((fault) => ({ file, ...fault })));
}

function prepare() {
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(path.join(root, 'cuda'), copy, { recursive: true }); // newer than what faults left built
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

function withFault({ file, text, replacement }, check) {
  const planted = path.join(copy, file);
  const sound = fs.readFileSync(planted, 'utf8');
  if (!sound.includes(text))
    throw new Error(`${file} no longer has '${text}': mend the list of faults`);
  const faulty = sound.replace(text, () => replacement);
  fs.writeFileSync(planted, faulty);
  try {
    compile();
    return check();
  } finally {
    fs.writeFileSync(planted, sound);
  }
}

/** Whether a test whose name contains `part` fails, or the program ends in another way than it should. */
function testsFail(part) {
  const result = spawnSync(path.join(build, 'bin', 'emulator_tests'), ['--filter', part], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (result.status === 0 && !result.stdout.includes('"ok":true'))
    throw new Error(`there is no test '${part}'`);
  return result.status !== 0;
}
