// The C++ tests, each shown as a test of its own: the ops on every backend, the forward pass, the engine.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
}

const folder = path.join(__dirname, '..', '..', 'build', `cmake-${process.platform}-${process.arch}`, 'bin');

// The AVX-512 kernels with emulated instructions are built for x86 only.
const programs = process.arch === 'x64' ? ['native_tests', 'emulated_tests'] : ['native_tests'];

it('a test that hangs or crashes is named: --trace tells when it begins', () => {
  const args = ['--trace', '--filter', 'thread pool'];
  const { stdout, stderr } = spawnSync(path.join(folder, 'native_tests'), args, { encoding: 'utf8' });
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).name);
  expect(names.length).toBeGreaterThan(0);
  expect(stderr.trim().split(/\r?\n/)).toEqual(names.map((name) => `begins: ${name}`));
});

describe.each(programs)('%s', (program) => {
  const file = path.join(folder, program);
  const names = execFileSync(file, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const outcomes = new Map<string, Outcome>();
  let ending: Error | null;

  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        execFile(file, { maxBuffer: Number.POSITIVE_INFINITY }, (error, output) => {
          ending = error;
          for (const line of output.trim().split('\n')) {
            const outcome: Outcome = JSON.parse(line);
            outcomes.set(outcome.name, outcome);
          }
          resolve();
        });
      }),
    600_000,
  );

  it.each(names)('%s', (name) => {
    expect(outcomes.get(name) ?? `no outcome: the program ended with ${ending}`).toMatchObject({
      message: '',
      ok: true,
    });
  });
});
