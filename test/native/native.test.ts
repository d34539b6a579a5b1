// The C++ tests, each as a vitest test: the ops on every backend, the forward pass, the engine.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';
import { bin, nativeTests, outcomesOf } from '../support/native_tests';

it('--trace names each test when it begins, so that one that hangs or crashes is known', () => {
  const args = ['--trace', '--filter', 'thread pool'];
  const { stdout, stderr } = spawnSync(path.join(bin, 'native_tests'), args, { encoding: 'utf8' });
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).name);
  expect(names.length).toBeGreaterThan(0);
  expect(stderr.trim().split(/\r?\n/)).toEqual(names.map((name) => `begins: ${name}`));
});

it.each([
  ['after a test', '{"name":"first","ok":true,"message":""}\n'],
  ['while it writes', '{"name":"first","ok":true,"message":""}\n{"name":"sec'],
  ['before any test', ''],
])('a crash is reported: %s', async (_, written) => {
  const program = `
    require('node:fs').writeSync(1, ${JSON.stringify(written)});
    require('node:fs').writeSync(2, 'last words');
    process.kill(process.pid, 'SIGKILL');`;
  const outcomeOf = await outcomesOf(process.execPath, ['-e', program]);
  if (written !== '') expect(outcomeOf('first')).toEqual({ name: 'first', ok: true, message: '' });
  expect(outcomeOf('second')).toMatch(
    /^no outcome: the program ended with (SIGKILL|\d+)\. last words$/,
  );
});

nativeTests('native_tests', 600_000);
// The AVX-512 kernels with emulated instructions are built for x86-64 only.
if (process.arch === 'x64') nativeTests('avx512_emulation_tests', 600_000);
