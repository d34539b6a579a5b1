// Which addon the loader finds, and its errors if there is none or it does not load. `npm run
// check:package` tests the same with a package that was packed and installed.

import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, it } from 'vitest';
import { loadAddon } from '../../lib/addon/load_addon';
import { temporaryFolder } from '../support/temporary_folder';

const root = path.join(__dirname, '..', '..');
const built = path.join(root, 'build', 'Release', 'qwen3_embed.node');
const target = `${process.platform}-${process.arch}`;

/** Creates a package folder with a prebuilt addon below `parent`. */
function packageIn(parent: string): { folder: string; file: string } {
  const folder = path.join(parent, 'node_modules', 'qwen3-embed');
  const prebuilds = path.join(folder, 'prebuilds', target);
  mkdirSync(prebuilds, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "version": "1.2.3" }');
  const file = path.join(prebuilds, 'node.napi.node');
  copyFileSync(built, file);
  return { folder, file };
}

it('loads the prebuild, from a path with spaces and umlauts too', () => {
  const { folder } = packageIn(path.join(temporaryFolder(), 'a folder with ümläuts'));
  expect(loadAddon(folder)).toMatchObject({ embed: expect.any(Function) });
});

it('without an addon, the error has the platform, the searched paths and the build command', () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'prebuilds', 'plan9-mips'), { recursive: true });
  const script = path.join(folder, 'scripts', 'install', 'build-native.mjs');
  const command = `node ${JSON.stringify(script)}`;
  const expected = [
    target,
    path.join(folder, 'build', 'Release'),
    'the package contains plan9-mips',
    command,
  ];
  for (const part of expected) expect(() => loadAddon(folder)).toThrow(part);
});

it.each([0, 40, 100, 10_000, 500_000, -1])(
  'an addon truncated to %i bytes is an error, and does not end the process',
  (bytes) => {
    const { folder, file } = packageIn(temporaryFolder());
    truncateSync(file, bytes < 0 ? statSync(file).size + bytes : bytes);
    expect(() => loadAddon(folder)).toThrow(/does not load on/);
  },
);

it('a file that is not an addon is an error', () => {
  const { folder, file } = packageIn(temporaryFolder());
  writeFileSync(file, 'MZ '.repeat(1000));
  expect(() => loadAddon(folder)).toThrow(/does not load on/);
});

it('in an Electron archive, the files unpacked beside it are used', () => {
  const parent = temporaryFolder();
  packageIn(path.join(parent, 'app.asar.unpacked'));
  const inside = path.join(parent, 'app.asar', 'node_modules', 'qwen3-embed');
  mkdirSync(inside, { recursive: true });
  writeFileSync(path.join(inside, 'package.json'), '{ "version": "1.2.3" }');
  expect(loadAddon(inside)).toMatchObject({ embed: expect.any(Function) });
});

it('only modules that call native need the addon', () => {
  const folder = temporaryFolder();
  const dist = path.join(folder, 'dist');
  cpSync(path.join(root, 'dist'), dist, { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'junction');
  const load = createRequire(path.join(folder, 'package.json'));
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' }).map((name) =>
    name.split(path.sep).join('/'),
  );
  const failing = ['addon/binary.js', 'addon/native_call.js', 'embedder.js', 'index.js'];
  expect(names).toEqual(expect.arrayContaining(failing));
  for (const name of names.filter((each) => each.endsWith('.js'))) {
    const loading = expect(() => load(`./dist/${name}`), name);
    if (failing.includes(name)) loading.toThrow(/there is no binary for/);
    else loading.not.toThrow();
  }
});
