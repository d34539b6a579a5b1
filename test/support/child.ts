// Runs a script with the built package in a separate Node process, for tests that end or may crash
// the process.

import { spawn } from 'node:child_process';
import path from 'node:path';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const root = path.join(__dirname, '..', '..');

/** Gives scripts the built package (`Embedder`, `EmbedderError`) and the small model (`folder`). */
const prologue = `
const { Embedder, EmbedderError } = require(${JSON.stringify(root)});
const folder = ${JSON.stringify(path.join(root, 'models', 'qwen3-embedding-small'))};
`;

export function script(body: string): string {
  return `${prologue}(async () => {\n${body}\n})();`;
}

/** Runs a script to its end. A process that exceeds `seconds` is killed, with `signal` SIGKILL. */
export function run(
  source: string,
  { args = [] as readonly string[], nodeArgs = [] as readonly string[], seconds = 50 } = {},
): Promise<Ended> {
  const options = { timeout: seconds * 1_000, killSignal: 'SIGKILL' } as const;
  const child = spawn(process.execPath, [...nodeArgs, '-e', source, ...args], options);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
