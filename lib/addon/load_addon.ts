// Finds and loads the native addon for this platform. If none is found, the error lists where it
// was searched for; if it fails to load, the file and the cause. Both name the command that builds
// one. types.ts has its types.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { debuglog } from 'node:util';
import findAddon from 'node-gyp-build';

// NODE_DEBUG=qwen3-embed logs the package version, the platform and the file that was loaded.
const debug = debuglog('qwen3-embed');

/**
 * Loads the addon of the package in `folder`: the one in build/Release if there is one, else the
 * prebuilt one for this platform. Throws an Error if none is found or it fails to load.
 */
export function loadAddon(folder: string): unknown {
  const home = unpacked(folder);
  const file = find(home);
  try {
    refuseTruncated(file);
    const addon: unknown = createRequire(__filename)(file);
    if (debug.enabled) debug('%s for %s: %s', version(folder), machine(), file);
    return addon;
  } catch (cause) {
    // With --no-addons, Node's own message is clear enough.
    if ((cause as NodeJS.ErrnoException).code === 'ERR_DLOPEN_DISABLED') throw cause;
    throw failure(
      `${file} does not load on ${machine()}: ${(cause as Error).message}`,
      home,
      cause,
    );
  }
}

/**
 * The folder that has the package's native files. Electron keeps them outside of its archive, in
 * app.asar.unpacked; native libraries find each other only there.
 */
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
      `${path.join(folder, 'build', 'Release', '*.node')}: built from source`,
      `${path.join(prebuilds, target(), '*.node')}: prebuilt; ${contents(prebuilds, target())}`,
    ];
    throw failure(
      `there is no binary for ${machine()}. Looked for:\n  ${searched.join('\n  ')}`,
      folder,
      cause,
    );
  }
}

/**
 * Throws if an ELF file ends before its section header table, which is at the end of the file:
 * Linux kills a process that loads a truncated library (SIGBUS).
 */
function refuseTruncated(file: string): void {
  const bytes = readFileSync(file);
  // 64-bit, little-endian ELF only.
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return;
  const end = Number(bytes.readBigUInt64LE(40)) + bytes.readUInt16LE(58) * bytes.readUInt16LE(60);
  if (end > bytes.length) throw new Error('the file is truncated');
}

function failure(message: string, folder: string, cause: unknown): Error {
  const script = path.join(folder, 'scripts', 'install', 'build-native.mjs');
  const command = `node ${JSON.stringify(script)}`;
  return new Error(
    `qwen3-embed: ${message}\nTo build it here (C++20 compiler, CMake 3.18): ${command}`,
    { cause },
  );
}

/** Name of the folder of this platform's prebuilds: "linux-x64". */
function target(): string {
  return `${process.platform}-${process.arch}`;
}

/** Platform, C library and runtime, for messages: "linux-x64-glibc, Node 20.20.2". */
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

function contents(prebuilds: string, platform: string): string {
  try {
    const platforms = readdirSync(prebuilds);
    if (!platforms.includes(platform)) return `the package contains ${platforms.join(', ')}`;
    return `the package contains ${readdirSync(path.join(prebuilds, platform)).join(', ')}`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? 'the package contains none'
      : `the folder cannot be read (${message})`;
  }
}
