// Finds and loads the native addon that belongs to this machine. Where there is none, or it does not load, says what
// was looked for and the one command that helps. What the addon does is types.ts's matter.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { debuglog } from 'node:util';
import findAddon from 'node-gyp-build';

// NODE_DEBUG=qwen3-embed shows what was loaded, from where.
const debug = debuglog('qwen3-embed');

/** Loads the addon below the package's folder: one that was built there, else the prebuilt one that fits. */
export function loadAddon(folder: string): unknown {
  const home = unpacked(folder);
  const file = find(home);
  try {
    refuseCutShort(file);
    const addon: unknown = createRequire(__filename)(file);
    if (debug.enabled) debug('%s for %s: %s', version(folder), machine(), file);
    return addon;
  } catch (cause) {
    // Node's own words are clear where it was told to load no addon.
    if ((cause as NodeJS.ErrnoException).code === 'ERR_DLOPEN_DISABLED') throw cause;
    throw failure(
      `${file} does not load here (${machine()}): ${(cause as Error).message}`,
      home,
      cause,
    );
  }
}

/** Where Electron's archive leaves native files: outside, and only there do libraries find each other. */
function unpacked(folder: string): string {
  const outside = folder.replace(`app.asar${path.sep}`, `app.asar.unpacked${path.sep}`);
  return existsSync(path.join(outside, 'prebuilds')) ? outside : folder;
}

function find(folder: string): string {
  try {
    return findAddon.resolve(folder);
  } catch (cause) {
    const prebuilds = path.join(folder, 'prebuilds');
    const searched = [
      `${path.join(folder, 'build', 'Release', '*.node')}: built here`,
      `${path.join(prebuilds, target(), '*.node')}: prebuilt; ${listed(prebuilds, target())}`,
    ];
    throw failure(
      `there is no binary for ${machine()}. Looked for:\n  ${searched.join('\n  ')}`,
      folder,
      cause,
    );
  }
}

/** Linux kills a process (SIGBUS) that loads a library whose end is missing; ELF has its section table there. */
function refuseCutShort(file: string): void {
  const bytes = readFileSync(file);
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return; // 64 bits, little endian
  const end = Number(bytes.readBigUInt64LE(40)) + bytes.readUInt16LE(58) * bytes.readUInt16LE(60);
  if (end > bytes.length) throw new Error('the file was cut short');
}

function failure(message: string, folder: string, cause: unknown): Error {
  const command = `node ${JSON.stringify(path.join(folder, 'scripts', 'install', 'build-native.mjs'))}`;
  return new Error(
    `qwen3-embed: ${message}\nTo build it here (C++20 compiler, CMake 3.18): ${command}`,
    { cause },
  );
}

/** Where prebuilds for this machine lie: "linux-x64". */
function target(): string {
  return `${process.platform}-${process.arch}`;
}

/** In full: "linux-x64-glibc, Node 20.20.2". */
function machine(): string {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const library =
    process.platform === 'linux' ? (header.glibcVersionRuntime ? '-glibc' : '-musl') : '';
  const { electron, node } = process.versions;
  return `${target()}${library}, ${electron ? `Electron ${electron}` : `Node ${node}`}`;
}

function version(folder: string): string {
  return (createRequire(__filename)(path.join(folder, 'package.json')) as { version: string })
    .version;
}

function listed(prebuilds: string, platform: string): string {
  try {
    const platforms = readdirSync(prebuilds);
    if (!platforms.includes(platform)) return `the package brings ${platforms.join(', ')}`;
    return `it brings ${readdirSync(path.join(prebuilds, platform)).join(', ')}`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? 'the package brings none'
      : `the folder may not be read (${message})`;
  }
}
