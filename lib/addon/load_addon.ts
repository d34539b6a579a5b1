// Finds and loads the native addon for this platform. If none is found, the error lists where it
// was searched for; if it fails to load, the file and the cause. Both say what to do: build one, or
// exclude the package from a bundle. types.ts has its types.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { debuglog } from 'node:util';
import findAddon from 'node-gyp-build';
import type { Addon } from './types';

// NODE_DEBUG=qwen3-embed logs the package version, the platform and the file that was loaded.
const debug = debuglog('qwen3-embed');

/**
 * Loads the addon of a package: the one in `built` if there is one, else the one for this platform
 * in `prebuilds`. These are the folders build/Release and prebuilds of the package, where
 * node-gyp-build looks. Throws an Error if none is found or it fails to load.
 */
export function loadAddon(built: string, prebuilds: string): Addon {
  const folder = path.dirname(prebuilds);
  const home = unpacked(folder);
  const failure = (problem: string, cause: unknown) => {
    const remedy = version(folder) ? howToBuild(home) : howToExclude;
    return new Error(`qwen3-embed: ${problem}\n${remedy}`, { cause });
  };

  let file: string;
  try {
    file = findAddon.resolve(home);
  } catch (cause) {
    const searched = [
      `${path.join(home, path.relative(folder, built), '*.node')}: built from source`,
      `${path.join(home, 'prebuilds', target(), '*.node')}: prebuilt; ${contents(home)}`,
    ];
    const places = searched.join('\n  ');
    throw failure(`there is no binary for ${machine()}. Looked for:\n  ${places}`, cause);
  }
  try {
    refuseTruncated(file);
    const addon = createRequire(file)(file) as Partial<Addon>;
    if (typeof addon.embed !== 'function') throw new Error('it is the addon of another package');
    // `enabled` is undefined in Bun. In Node it saves the milliseconds of `machine`.
    if (debug.enabled !== false)
      debug('%s for %s: %s', version(folder) ?? 'bundled', machine(), file);
    return addon as Addon;
  } catch (cause) {
    // With --no-addons, Node's own message is clear enough.
    if ((cause as NodeJS.ErrnoException).code === 'ERR_DLOPEN_DISABLED') throw cause;
    throw failure(`${file} does not load on ${machine()}: ${(cause as Error).message}`, cause);
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

const howToExclude = `qwen3-embed was bundled. A bundle cannot contain its binaries, so mark it as
external:
  esbuild: --external:qwen3-embed
  webpack: externals: { 'qwen3-embed': 'commonjs qwen3-embed' }
  others: "Bundlers" in qwen3-embed's README`;

function howToBuild(folder: string): string {
  const script = path.join(folder, 'scripts', 'install', 'build-native.mjs');
  // Tools that copy only what a program needs leave it out.
  if (!existsSync(script))
    return 'Install the package on this machine: this copy has no script that builds a binary.';
  return `To build it here (C++20 compiler, CMake 3.18): node ${JSON.stringify(script)}`;
}

/** Name of the folder of this platform's prebuilds: "linux-x64". */
function target(): string {
  return `${process.platform}-${process.arch}`;
}

/** Platform, C library and runtime, for messages: "linux-x64-glibc, Node 20.20.2". */
function machine(): string {
  const { bun, deno, electron, node } = process.versions;
  const runtime =
    (bun && `Bun ${bun}`) ||
    (deno && `Deno ${deno}`) ||
    (electron && `Electron ${electron}`) ||
    `Node ${node}`;
  return `${target()}${library()}, ${runtime}`;
}

function library(): string {
  if (process.platform !== 'linux') return '';
  try {
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime ? '-glibc' : '-musl';
  } catch {
    return ''; // Deno refuses the report without --allow-sys.
  }
}

/** Version of the package in `folder`. Undefined if it is not there: this code was bundled. */
function version(folder: string): string | undefined {
  try {
    const file = path.join(folder, 'package.json');
    const { name, version } = JSON.parse(readFileSync(file, 'utf8'));
    return name === 'qwen3-embed' ? version : undefined;
  } catch {
    return undefined;
  }
}

function contents(home: string): string {
  const [prebuilds, platform] = [path.join(home, 'prebuilds'), target()];
  try {
    const platforms = readdirSync(prebuilds);
    if (!platforms.includes(platform)) return `the package contains ${platforms.join(', ')}`;
    return `the package contains ${readdirSync(path.join(prebuilds, platform)).join(', ')}`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? 'there is no folder prebuilds'
      : `the folder cannot be read (${message})`;
  }
}
