// Runs the C++ test programs and shows each of their tests as a vitest test.

import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

/** The folder of the native build's test programs and libraries. */
export const bin = path.join(
  __dirname,
  '..',
  '..',
  'build',
  `cmake-${process.platform}-${process.arch}`,
  'bin',
);

export interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
}

/** Defines a test for each test of a program. All run in one process, within `timeout` ms. */
export function nativeTests(program: string, timeout: number): void {
  describe(program, () => {
    const file = path.join(bin, program);
    const names = execFileSync(file, ['--list'], { encoding: 'utf8' }).trim().split(/\r?\n/);
    let outcomeOf: Awaited<ReturnType<typeof outcomesOf>>;

    beforeAll(async () => {
      outcomeOf = await outcomesOf(file);
    }, timeout);

    it.each(names)('%s', (name) => {
      expect(outcomeOf(name)).toMatchObject({ message: '', ok: true });
    });
  });
}

/**
 * Runs a program to its end. Returns a function from the name of a test to its outcome or, if the
 * program crashed before it printed one, to a description of how the program ended.
 */
export function outcomesOf(
  file: string,
  args: readonly string[] = [],
): Promise<(name: string) => Outcome | string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: Number.POSITIVE_INFINITY }, (error, stdout, stderr) => {
      const lines = stdout.split('\n').slice(0, -1); // text after the last newline is incomplete
      const outcomes = new Map<string, Outcome>();
      try {
        for (const line of lines) {
          const outcome: Outcome = JSON.parse(line);
          outcomes.set(outcome.name, outcome);
        }
      } catch (cause) {
        reject(new Error(`${file} printed a line that is not a test outcome`, { cause }));
      }
      const lastLines = stderr.trim().split('\n').slice(-10).join('\n');
      const status = error?.signal ?? error?.code ?? 0;
      const ending = `no outcome: the program ended with ${status}. ${lastLines}`;
      resolve((name) => outcomes.get(name) ?? ending);
    });
  });
}
