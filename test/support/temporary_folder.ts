// Temporary folders that are removed when the test file ends.

import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

const folders: string[] = [];

export function temporaryFolder(): string {
  // Resolved, because macOS has its temporary folder behind a link.
  const folder = mkdtempSync(path.join(realpathSync.native(tmpdir()), 'qwen3-embed-'));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
