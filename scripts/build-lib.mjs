// npm run build:lib: the TypeScript build. dist/ is emptied first, so that no output of a moved or
// deleted source remains in it.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail, isMain } from './install/report.mjs';
import { root } from './install/stamp.mjs';

export function buildLibrary() {
  fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const result = spawnSync(process.execPath, [compiler, '-p', root], {
    cwd: root,
    stdio: 'inherit',
  });
  if (result.status !== 0) throw new Error('The TypeScript build failed; see the errors above.');
}

if (isMain(import.meta)) {
  try {
    buildLibrary();
  } catch (error) {
    fail(error);
  }
}
