// Which addon the loader finds, and its errors if there is none or it does not load. `npm run
// check:package` tests the same with a package that was packed and installed.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { loadAddon } from '../../lib/addon/load_addon';
import { temporaryFolder } from '../support/temporary_folder';

const root = path.join(__dirname, '..', '..');
const built = path.join(root, 'build', 'Release', 'qwen3_embed.node');
const target = `${process.platform}-${process.arch}`;
const manifest = '{ "name": "qwen3-embed", "version": "1.2.3" }';

/** Loads the addon of the package in `folder`. */
function loadFrom(folder: string): unknown {
  return loadAddon(path.join(folder, 'build', 'Release'), path.join(folder, 'prebuilds'));
}

/** The message with which loading from `folder` fails. */
function failureIn(folder: string): string {
  try {
    loadFrom(folder);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it loaded');
}

/** Creates a package folder with a prebuilt addon below `parent`. */
function packageIn(parent: string): { folder: string; file: string } {
  const folder = path.join(parent, 'node_modules', 'qwen3-embed');
  const prebuilds = path.join(folder, 'prebuilds', target);
  mkdirSync(prebuilds, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), manifest);
  const file = path.join(prebuilds, 'node.napi.node');
  copyFileSync(built, file);
  return { folder, file };
}

it('loads the prebuild, from a path with spaces and umlauts too', () => {
  const { folder } = packageIn(path.join(temporaryFolder(), 'a folder with ümläuts'));
  expect(loadFrom(folder)).toMatchObject({ embed: expect.any(Function) });
});

it('without an addon, the error has the platform, the searched paths and the build command', () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'prebuilds', 'plan9-mips'), { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), manifest);
  const script = path.join(folder, 'scripts', 'install', 'build-native.mjs');
  mkdirSync(path.dirname(script), { recursive: true });
  writeFileSync(script, '');
  const message = failureIn(folder);
  for (const part of [
    target,
    path.join(folder, 'build', 'Release'),
    'the package contains plan9-mips',
    `node ${JSON.stringify(script)}`,
  ])
    expect(message).toContain(part);
  expect(message).not.toContain('bundled');
});

it('a copy without the build script does not propose it', () => {
  const { folder, file } = packageIn(temporaryFolder());
  truncateSync(file, 100);
  const message = failureIn(folder);
  expect(message).toContain('does not load on');
  expect(message).toContain('this copy has no script that builds');
  expect(message).not.toContain('build-native.mjs');
});

it.each([
  ['no package.json', undefined],
  ["another package's package.json", '{ "name": "app", "version": "1.0.0" }'],
])('in a bundle, with %s, the error says how to exclude the package', (_, text) => {
  const folder = temporaryFolder();
  if (text) writeFileSync(path.join(folder, 'package.json'), text);
  const message = failureIn(folder);
  for (const part of [
    'qwen3-embed was bundled',
    '--external:qwen3-embed',
    "externals: { 'qwen3-embed': 'commonjs qwen3-embed' }",
    'there is no binary for',
    path.join(folder, 'prebuilds', target),
  ])
    expect(message).toContain(part);
  expect(message).not.toContain('build-native.mjs');
});

it('a bundle beside the prebuilds loads them, and NODE_DEBUG says that it was bundled', () => {
  const { folder, file } = packageIn(temporaryFolder());
  rmSync(path.join(folder, 'package.json'));
  const program = `
    const { loadAddon } = require(${JSON.stringify(path.join(root, 'dist/addon/load_addon.js'))});
    const folder = ${JSON.stringify(folder)};
    console.log(typeof loadAddon(folder + '/build/Release', folder + '/prebuilds').embed);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
    env: { ...process.env, NODE_DEBUG: 'qwen3-embed' },
    encoding: 'utf8',
  });
  expect(stdout.trim(), stderr).toBe('function');
  expect(stderr).toMatch(/bundled for /);
  expect(stderr).toContain(file);
});

it('a diagnostic report that Deno refuses does not hide the error', () => {
  const report = vi.spyOn(process.report, 'getReport').mockImplementation(() => {
    throw new Error('Requires sys access');
  });
  onTestFinished(() => report.mockRestore());
  const { folder, file } = packageIn(temporaryFolder());
  truncateSync(file, 100);
  expect(failureIn(folder)).toMatch(/does not load on/);
});

// Tools read the paths from the code. check:package runs some of them, but not Next.js, which is
// large. All know this form.
it('the paths of the native files have the form that tools evaluate', () => {
  const code = readFileSync(path.join(root, 'dist', 'addon', 'binary.js'), 'utf8');
  for (const folder of ['build/Release', 'prebuilds'])
    expect(code).toContain(`(0, node_path_1.join)(\`\${__dirname}/../../${folder}\`)`);
});

it.each([0, 40, 100, 10_000, 500_000, -1])(
  'an addon truncated to %i bytes is an error, and does not end the process',
  (bytes) => {
    const { folder, file } = packageIn(temporaryFolder());
    truncateSync(file, bytes < 0 ? statSync(file).size + bytes : bytes);
    expect(() => loadFrom(folder)).toThrow(/does not load on/);
  },
);

it('a file that is not an addon is an error', () => {
  const { folder, file } = packageIn(temporaryFolder());
  writeFileSync(file, 'MZ '.repeat(1000));
  expect(() => loadFrom(folder)).toThrow(/does not load on/);
});

it('the addon of another package is an error', () => {
  const { folder, file } = packageIn(temporaryFolder());
  const other = require.resolve('tokenizers').replace(/[^/\\]*$/, '');
  const name = readdirSync(other).find((each) => each.includes(`${target}-gnu`)) as string;
  copyFileSync(path.join(other, name), file);
  expect(() => loadFrom(folder)).toThrow('it is the addon of another package');
});

it('in an Electron archive, the files unpacked beside it are used', () => {
  const parent = temporaryFolder();
  packageIn(path.join(parent, 'app.asar.unpacked'));
  const inside = path.join(parent, 'app.asar', 'node_modules', 'qwen3-embed');
  mkdirSync(inside, { recursive: true });
  writeFileSync(path.join(inside, 'package.json'), manifest);
  expect(loadFrom(inside)).toMatchObject({ embed: expect.any(Function) });
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
  const failing = [
    'addon/binary.js',
    'addon/native_call.js',
    'text/tokenizer.js',
    'embedder.js',
    'index.js',
  ];
  expect(names).toEqual(expect.arrayContaining(failing));
  for (const name of names.filter((each) => each.endsWith('.js'))) {
    const loading = expect(() => load(`./dist/${name}`), name);
    if (failing.includes(name)) loading.toThrow(/there is no binary for/);
    else loading.not.toThrow();
  }
});
