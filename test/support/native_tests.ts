// The C++ test programs: each of their tests is shown as a test of its own.

import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

/** Where the native build puts programs and libraries for tests. */
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

/** Shows the tests of a program, which all run in one process of at most `timeout` ms. */
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

/** Runs a program to its end. Then there is the outcome of each test or, where a crash left none, how it ended. */
export function outcomesOf(
  file: string,
  args: readonly string[] = [],
): Promise<(name: string) => Outcome | string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: Number.POSITIVE_INFINITY }, (error, stdout, stderr) => {
      const lines = stdout.split('\n').slice(0, -1); // what follows the last line's end was cut off
      const outcomes = new Map<string, Outcome>();
      try {
        for (const line of lines) {
          const outcome: Outcome = JSON.parse(line);
          outcomes.set(outcome.name, outcome);
        }
      } catch (cause) {
        reject(new Error(`${file} printed what is no outcome of a test`, { cause }));
      }
      const lastWords = stderr.trim().split('\n').slice(-10).join('\n');
      const ending = `no outcome: the program ended with ${error?.signal ?? error?.code ?? 0}. ${lastWords}`;
      resolve((name) => outcomes.get(name) ?? ending);
    });
  });
}
