// Packs the package from a copy of the checkout without build outputs, and installs it into an
// otherwise empty folder, as its users do.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from '../install/stamp.mjs';

/**
 * Runs a program and returns its stdout. On failure throws the exit status and its last 20 lines.
 */
export function run(command, args, { env = {}, ...options } = {}) {
  const all = {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
    env: { ...process.env, ...env },
  };
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, all);
  if (status !== 0) {
    const end = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-20).join('\n');
    throw new Error(
      `${path.basename(command)} ended with ${error?.message ?? signal ?? status}:\n${end}`,
    );
  }
  return stdout ?? '';
}

/**
 * Makes a folder outside the checkout, so that the checkout's node_modules are not found from it.
 * It is removed when the process exits, unless the exit code is not 0.
 */
export function temporaryFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qwen3-embed-'));
  fs.chmodSync(folder, 0o755); // one check reads it as another user
  process.on('exit', (code) => {
    if (code === 0) fs.rmSync(folder, { recursive: true });
    else console.log(`The checked files are in ${folder}`);
  });
  return folder;
}

/**
 * Copies tracked and untracked (not ignored) files into an emptied folder, optionally only `names`.
 */
export function cleanCopy(folder, names = []) {
  fs.rmSync(folder, { recursive: true, force: true });
  const files = run('git', [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--',
    ...names,
  ]).split('\0');
  for (const file of files.filter((name) => name && fs.existsSync(path.join(root, name)))) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.copyFileSync(path.join(root, file), path.join(folder, file));
  }
}

/** Packs a checkout. Returns npm's description and, as `file`, the path of the tarball. */
export function pack(checkout) {
  const output = run(
    'npm',
    ['pack', '--json', '--pack-destination', checkout, '--loglevel=error'],
    { cwd: checkout },
  );
  const description = JSON.parse(
    output.slice(output.search(/^\[/m), output.lastIndexOf(']') + 1),
  )[0];
  return { ...description, file: path.join(checkout, description.filename) };
}

/** Installs a tarball into an emptied folder with `npm install`. Returns the package's folder. */
export function install(tarball, folder, { args = [], ...options } = {}) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n');
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...args];
  run('npm', ['install', ...flags, tarball], { cwd: folder, ...options });
  return path.join(folder, 'node_modules', 'qwen3-embed');
}

/** Size in bytes of all files below a folder. */
export function bytesBelow(folder) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + fs.statSync(path.join(entry.parentPath ?? entry.path, entry.name)).size,
      0,
    );
}

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
