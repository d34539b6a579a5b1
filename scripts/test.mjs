// npm test: runs the setup, then all tests. vitest also runs the C++ tests, through
// test/native/native.test.ts. Arguments are passed to vitest: npm test -- tokenizer

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fail } from './install/report.mjs';
import { root } from './install/stamp.mjs';
import { setup } from './setup.mjs';

await setup({ tests: true }).catch(fail);
const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
const result = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = result.status ?? 1;
