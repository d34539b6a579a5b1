// The benchmark's calls into the backend, on the emulated device: a card is rare, and must not be spent on mistakes here.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const folder = path.join(__dirname, '..', '..', 'build', `cmake-${process.platform}-${process.arch}`, 'bin');

it('gpu_bench calls the backend soundly', { timeout: 300_000 }, async () => {
  const library = path.join(folder, 'libsimt_library.so');
  const { stdout } = await promisify(execFile)(path.join(folder, 'gpu_bench'), ['--toy', '--library', library], {
    cwd: folder,
  });
  const kinds = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).kind);
  expect(new Set(kinds)).toEqual(new Set(['linear', 'query', 'model', 'memory', 'attention', 'rows']));
});
