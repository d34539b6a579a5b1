// Runs the kernel benchmark (bench/native), which compares GEMM and attention with the machine's
// measured peak.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { buildDirectory, buildTree } from '../scripts/install/build-native.mjs';

/** Builds and runs the benchmark. It prints its tables. Returns its figures. */
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
  if (result.status !== 0) {
    throw new Error(
      `The kernel benchmark failed with ${result.signal ?? `exit code ${result.status}`}.`,
    );
  }
  return JSON.parse(fs.readFileSync(json, 'utf8'));
}
