// npm run check:gpu -- --rehearse: runs the GPU check from its bundle on the emulated device, at
// toy sizes, in an empty folder, without a network, and with only the tools on the PATH that a
// machine with a GPU has. The check is killed, and its steps hang and crash. The results up to that
// point must be saved, and the next run must continue from them.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { run, temporaryFolder } from '../package/tarball.mjs';
import { makeBundle } from './bundle.mjs';

const tools =
  'sh bash cat cksum cp cut date diff dirname env grep gzip head ldd mkdir mv nproc ' +
  'rm sed sleep sort tail tar timeout tr';

// Answers the queries that the check sends to nvidia-smi, for a Hopper GPU at work.
const nvidiaSmi = `#!/bin/sh
case "$*" in
  *compute_cap*) echo 9.0 ;;
  *-lms*)
    printf '%s, ' timestamp 'clocks.current.sm [MHz]' 'clocks.current.memory [MHz]'
    printf '%s, ' 'power.draw [W]' temperature.gpu clocks_event_reasons.active
    echo 'utilization.gpu [%]'
    sample='1980 MHz, 3201 MHz, 650.00 W, 60, 0x0000000000000004, 100 %'
    while sleep 1; do date "+%Y/%m/%d %H:%M:%S.000, $sample"; done ;;
  *) echo 'NVIDIA H200, 580.159.04, 143771 MiB, 700.00 W, 1980 MHz' ;;
esac
`;

// Stand-ins for the tools: they run the program, and ncu also writes a list of two kernels.
const ncu = `#!/bin/sh
while :; do
  case $1 in
    --version) echo 'Version 2025.3.1' && exit ;;
    --csv) ;;
    --log-file)
      echo '"ID","Kernel Name","gpu__time_duration.sum"' >"$2"
      printf '"0","store_kernel","7"\\n"1","gemm","9"\\n' >>"$2" && shift ;;
    --*) shift ;;
    *) exec "$@" ;;
  esac
  shift
done
`;
const sanitizer = `#!/bin/sh
[ "$1" != --version ] || { echo 'Version 2025.3.1' && exit; }
shift 4
"$@" && echo '========= ERROR SUMMARY: 0 errors'
`;

const folder = temporaryFolder();
const bin = path.join(folder, 'bin');
const bundle = path.join(folder, 'a bundle');
const logs = path.join(folder, 'a bundle.unpacked', 'build', 'gpu', 'logs');
const canIsolate = spawnSync('unshare', ['-rn', 'true']).status === 0; // no network
const isolate = canIsolate ? [run('which', ['unshare']).trim(), '-rn'] : [path.join(bin, 'env')];

/** Runs the check in its own process group. `onLine` gets the output so far whenever it grows. */
function check(out, args, { env = {}, onLine = () => {} } = {}) {
  const [command, ...first] = isolate;
  const child = spawn(
    command,
    [...first, 'sh', path.join(bundle, 'check-gpu.sh'), '--out', out, ...args],
    {
      cwd: folder,
      env: {
        PATH: bin,
        QWEN3_CHECK_GPU_TOY: '1',
        QWEN3_EMULATOR_FAST: '1',
        QWEN3_EMULATOR_CAPABILITY: '90',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    },
  );
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
    process.stdout.write(String(text).replace(/^(?=.)/gm, '  '));
    onLine(output, child);
  });
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output })),
  );
}

/** The results in a folder: the report, and the outcome of each step. */
function results(out) {
  const unpacked = fs.mkdtempSync(path.join(folder, 'logs-'));
  const names = fs.readdirSync(out).filter((name) => name !== 'part');
  expect(
    names.sort().join(' ') === 'logs.tgz report.json report.md',
    `the results are: ${names.join(' ')}`,
  );
  run('tar', ['-xzf', path.join(out, 'logs.tgz'), '-C', unpacked]);
  const outcomes = {};
  for (const file of fs.readdirSync(unpacked).filter((name) => name.endsWith('.outcome'))) {
    const [step, outcome, seconds] = fs.readFileSync(path.join(unpacked, file), 'utf8').split('\t');
    outcomes[step] = { outcome, seconds: Number(seconds) };
  }
  return { report: JSON.parse(fs.readFileSync(path.join(out, 'report.json'), 'utf8')), outcomes };
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

function expectOutcomes(outcomes, wanted) {
  for (const [step, outcome] of Object.entries(wanted)) {
    expect(
      outcomes[step]?.outcome === outcome,
      `${step} is ${outcomes[step]?.outcome}, expected ${outcome}`,
    );
  }
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Sends `signal` to the check `seconds` after `step` has passed, while the next step runs. */
async function endedBy(signal, step, seconds, args) {
  const out = fs.mkdtempSync(path.join(folder, 'out-'));
  let ending = false;
  const { output } = await check(out, args, {
    onLine: async (text, child) => {
      if (ending || !text.includes(`${step}: passed`)) return;
      ending = true;
      await sleep(1000 * seconds);
      child.kill(signal);
    },
  });
  expect(ending && !output.includes('results:'), `the run ended before ${signal} was sent`);
  await sleep(7_000); // after SIGKILL the background process saves the results once more
  expectOutcomes(results(out).outcomes, { [step]: 'passed' });
}

const rehearsal = {
  async 'steps after one that hangs or crashes run'() {
    const out = fs.mkdtempSync(path.join(folder, 'out-'));
    const steps = ['build', 'ops-portable', 'conformance'];
    const { code } = await check(out, ['--limit', 'ops-portable=15', ...steps], {
      env: { QWEN3_REHEARSAL_FAULT: 'hang' },
    });
    const { outcomes, report } = results(out);
    expectOutcomes(outcomes, { build: 'passed', 'ops-portable': 'cut', conformance: 'passed' });
    expect(code === 1, `the exit code is ${code}`);
    expect(
      outcomes['ops-portable'].seconds <= 22,
      `the hang took ${outcomes['ops-portable'].seconds} s`,
    );
    expect(report.machine.gpu_name === 'NVIDIA H200', 'the report does not name the GPU');
    for (const [fault, gone] of [
      ['fail', false],
      ['crash', true],
    ]) {
      await check(out, ['ops-watchdog', 'conformance'], { env: { QWEN3_REHEARSAL_FAULT: fault } });
      expectOutcomes(results(out).outcomes, { 'ops-watchdog': 'failed', conformance: 'passed' });
      const off = fs.existsSync(path.join(logs, 'hopper-off'));
      expect(off === gone, `after '${fault}' Hopper’s kernels are ${off ? 'off' : 'still on'}`);
    }
    // A step that hung is not run again. While Hopper's kernels are off, their steps are skipped.
    await check(out, ['--continue', 'ops-portable', 'ops-watchdog', 'ops', 'tiles']);
    const wanted = {
      'ops-portable': 'cut',
      'ops-watchdog': 'failed',
      ops: 'skipped',
      tiles: 'skipped',
    };
    expectOutcomes(results(out).outcomes, wanted);
  },

  async 'a run continues after a kill, and its finished steps are not run again'() {
    // This run also shows that a run without --continue discards older results.
    await endedBy('SIGKILL', 'ops', 3, []);
    await endedBy('SIGTERM', 'goldens', 2, ['--continue']);
    await endedBy('SIGKILL', 'timings', 3, ['--continue']);
    const out = fs.mkdtempSync(path.join(folder, 'out-'));
    const { code, output } = await check(out, ['--continue']);
    expect(
      output.includes('conformance: done in an earlier run, passed'),
      'the second run does not continue the first',
    );
    const { outcomes, report } = results(out);
    expect(
      Object.keys(outcomes).length === 13,
      `the outcomes are of ${Object.keys(outcomes).join(' ')}`,
    );
    for (const [step, { outcome }] of Object.entries(outcomes)) {
      // peer is skipped without torch.
      expect(outcome === 'passed' || step === 'peer', `${step} is ${outcome}`);
    }
    expect(report.profile[0].case.op === 'gate_up', 'a kernel is not assigned to its case');
    expect(code === 0, `the exit code is ${code}`);
    expect(report.lines.timings.length > 0, 'the report has no figures');
  },
};

fs.mkdirSync(bin);
for (const name of tools.split(' '))
  fs.symlinkSync(run('which', [name]).trim(), path.join(bin, name));
// The interpreter itself, not a wrapper script that selects one of several.
fs.symlinkSync(
  run('python3', ['-c', 'import sys; print(sys.executable)']).trim(),
  path.join(bin, 'python3'),
);
const fakes = { 'nvidia-smi': nvidiaSmi, ncu, 'compute-sanitizer': sanitizer };
for (const [name, script] of Object.entries(fakes))
  fs.writeFileSync(path.join(bin, name), script, { mode: 0o755 });
await makeBundle(bundle, { emulated: true });
console.log(
  canIsolate
    ? 'The check runs without a network.'
    : 'unshare does not work here: the check runs with the network.',
);
let failed = 0;
for (const [name, rehearse] of Object.entries(rehearsal)) {
  const begin = performance.now();
  const error = await rehearse().catch((reason) => reason);
  if (error) failed++;
  console.log(
    `${error ? 'FAILED' : 'ok'}  ${name}, ${((performance.now() - begin) / 1000).toFixed(0)} s`,
  );
  if (error) console.log(error.stack);
}
process.exitCode = failed > 0 ? 1 : 0;
