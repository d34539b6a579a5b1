// Makes a checkout ready to run: installs the npm packages, the compiler and CMake, then runs the
// native build and the TypeScript build. A step that is already done costs a few milliseconds.
// Imports only Node's own modules, because node_modules may be missing.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { buildLibrary } from './build-lib.mjs';
import { buildNative, describeBuild } from './install/build-native.mjs';
import { installTools } from './install/compiler.mjs';
import { fail, isMain } from './install/report.mjs';
import { root, unlessUnchanged } from './install/stamp.mjs';

/** Sets up everything that the demo and the tests need; with `tests`, builds the C++ tests too. */
export async function setup({ tests = false } = {}) {
  checkNode();
  if (!packagesInstalled()) installPackages();

  const sources = ['CMakeLists.txt', 'native', 'cuda', 'package-lock.json'];
  const testSources = tests
    ? ['test/native', 'test/cuda', 'test/cuda_emulator', 'bench/native', 'bench/gpu']
    : [];
  const addon = 'build/Release/qwen3_embed.node';
  await unlessUnchanged(
    tests ? 'native-tests' : 'native',
    [...sources, ...testSources],
    addon,
    async () => {
      installTools();
      const begin = performance.now();
      await buildNative({ tests });
      console.log(
        `Built ${describeBuild()}, in ${((performance.now() - begin) / 1000).toFixed(0)} s`,
      );
    },
  );
  await unlessUnchanged(
    'lib',
    ['lib', 'tsconfig.json', 'package-lock.json'],
    'dist/index.js',
    buildLibrary,
  );
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(
      `Node ${process.versions.node} is too old to build with: install Node 20.19 or newer.`,
    );
  }
}

/**
 * Whether node_modules has the versions of package-lock.json. Optional packages are ignored,
 * because those of other platforms are not installed.
 */
function packagesInstalled() {
  const installedFile = path.join(root, 'node_modules', '.package-lock.json');
  if (!fs.existsSync(installedFile)) return false;
  const installed = JSON.parse(fs.readFileSync(installedFile, 'utf8')).packages;
  const wanted = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([folder, { version, optional }]) =>
      folder === '' || optional || installed[folder]?.version === version,
  );
}

function installPackages() {
  console.log('Installing npm packages');
  // Without --ignore-scripts the package's own install script would build here, without progress.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status !== 0) {
    throw new Error(
      'npm could not install the packages; see its output above. Is the registry reachable?',
    );
  }
}

if (isMain(import.meta)) await setup({ tests: process.argv.includes('--tests') }).catch(fail);
