// Runs a script in a Node process of its own, with the built package: for tests that end a process, or might crash one.

import { spawn } from 'node:child_process';
import path from 'node:path';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Built package, small model: what scripts find as `Embedder` and `folder`. */
const prologue = `
const { Embedder, EmbedderError } = require(${JSON.stringify(path.join(__dirname, '..', '..'))});
const folder = ${JSON.stringify(path.join(__dirname, '..', '..', 'models', 'qwen3-embedding-small'))};
`;

export function script(body: string): string {
  return `${prologue}(async () => {\n${body}\n})();`;
}

/** Runs it to its end. A process that hangs is killed, which `signal` shows. */
export function run(
  source: string,
  { args = [] as readonly string[], seconds = 50 } = {},
): Promise<Ended> {
  const options = { timeout: seconds * 1_000, killSignal: 'SIGKILL' } as const;
  const child = spawn(process.execPath, ['-e', source, ...args], options);
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
