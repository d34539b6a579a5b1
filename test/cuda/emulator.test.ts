// The CUDA kernels without a GPU: the emulator's own tests, the wrappers of ptx.cuh compared with
// conformance.txt, and the ops.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { bin, nativeTests } from '../support/native_tests';

it('the results of every wrapper of ptx.cuh are those in conformance.txt', () => {
  const output = execFileSync(path.join(bin, 'emulator_conformance'), { encoding: 'utf8' });
  expect(output).toBe(readFileSync(path.join(__dirname, 'conformance.txt'), 'utf8'));
});

for (const program of ['emulator_detector', 'emulator_tests']) nativeTests(program, 900_000);
