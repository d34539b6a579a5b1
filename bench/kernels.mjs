// The kernel benchmark (bench/native), which measures GEMM and attention against the machine's own peak.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { buildDirectory, buildTree } from '../scripts/install/build-native.mjs';

/** Builds and runs it; its tables go to the terminal, its figures come back. */
export async function kernels({ threads, rounds, precisions }) {
  await buildTree(buildDirectory, ['-DQWEN3_EMBED_TESTS=ON'], ['kernel_bench']);
  const json = path.join(buildDirectory, 'kernels.json');
  const threadCounts = threads === 1 ? '1' : `1,${threads}`;
  const args = [
    '--threads',
    threadCounts,
    '--weights',
    precisions.join(','),
    '--rounds',
    rounds,
    '--json',
    json,
  ];
  const result = spawnSync(path.join(buildDirectory, 'bin', 'kernel_bench'), args.map(String), {
    stdio: 'inherit',
  });
  if (result.status !== 0)
    throw new Error(`The kernel benchmark ended with ${result.signal ?? result.status}.`);
  return JSON.parse(fs.readFileSync(json, 'utf8'));
}
