// npm run check: checks formatting and types of all code, without building. With `--fix` (npm run
// format) it fixes the formatting.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root } from '../install/stamp.mjs';

const fix = process.argv.includes('--fix');
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

const checks = [
  ['biome', bin('biome'), fix ? ['check', '--write', '.'] : ['check', '.']],
  ['tsc', bin('tsc'), ['-p', 'tsconfig.check.json']],
];
const clangFormat = ['clang-format-14', 'clang-format'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
if (clangFormat) {
  checks.push([
    'clang-format',
    clangFormat,
    [...(fix ? ['-i'] : ['--dry-run', '--Werror']), ...nativeSources()],
  ]);
} else {
  console.log('clang-format is not installed: C++ formatting is not checked');
}

let failed = 0;
for (const [name, command, args] of checks) {
  const ok =
    spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
      .status === 0;
  console.log(`${name}: ${ok ? 'ok' : 'failed'}`);
  if (!ok) failed++;
}
process.exitCode = failed > 0 ? 1 : 0;

function nativeSources() {
  return ['native', 'cuda', 'test', 'bench']
    .filter((folder) => fs.existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      fs
        .readdirSync(path.join(root, folder), { recursive: true })
        .map((file) => `${folder}/${file}`),
    )
    .filter((file) => /\.(cc|h|cu|cuh)$/.test(file));
}
