// The CUDA kernels without a GPU: the emulator's own tests, the wrappers against what is known of them, the ops.

import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
}

const folder = path.join(__dirname, '..', '..', 'build', `cmake-${process.platform}-${process.arch}`, 'bin');

it('every wrapper of ptx.cuh does what conformance.txt says', () => {
  const output = execFileSync(path.join(folder, 'simt_conformance'), { encoding: 'utf8' });
  expect(output).toBe(readFileSync(path.join(__dirname, 'conformance.txt'), 'utf8'));
});

describe.each(['simt_detector', 'simt_tests'])('%s', (program) => {
  const file = path.join(folder, program);
  const names = execFileSync(file, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const outcomes = new Map<string, Outcome>();

  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        execFile(file, { maxBuffer: Number.POSITIVE_INFINITY }, (_error, output) => {
          for (const line of output.trim().split('\n')) {
            const outcome: Outcome = JSON.parse(line);
            outcomes.set(outcome.name, outcome);
          }
          resolve();
        });
      }),
    900_000,
  );

  it.each(names)('%s', (name) => {
    expect(outcomes.get(name)).toMatchObject({ message: '', ok: true });
  });
});
