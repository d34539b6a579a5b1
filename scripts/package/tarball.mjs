// The package as its users get it: packed from a copy of the checkout without anything that was built, installed into
// a folder that holds nothing else.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from '../install/stamp.mjs';

/** Runs a program to its end and gives what it wrote; throws how that ended where it failed. */
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

/** A new folder far from the checkout, whose packages would be found from below it. It stays where a check fails. */
export function temporaryFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qwen3-embed-'));
  fs.chmodSync(folder, 0o755); // a check goes there as another user
  process.on('exit', (code) => {
    if (code === 0) fs.rmSync(folder, { recursive: true });
    else console.log(`What was checked lies in ${folder}`);
  });
  return folder;
}

/** Copies what git knows of, or would, into an empty folder: all of it, or below some names at the root. */
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

/** Packs a checkout. Gives npm's description, with `file`, where the tarball lies. */
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

/** Installs a tarball into an empty folder, as `npm i` does. Gives the package's folder. */
export function install(tarball, folder, { args = [], ...options } = {}) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n');
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...args];
  run('npm', ['install', ...flags, tarball], { cwd: folder, ...options });
  return path.join(folder, 'node_modules', 'qwen3-embed');
}

/** Bytes below a folder. */
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
