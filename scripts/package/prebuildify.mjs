// npm run prebuildify -- [platform-arch ...]: builds prebuilds/<platform>-<arch>/, with the file
// names that node-gyp-build and @electron/rebuild look for. Without arguments it builds for this
// machine; another platform needs a cross compiler, see cmake/.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail, isMain } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const machine = `${process.platform}-${process.arch}`;

// The strip programs of the platforms that Linux can cross-build for.
const strips = {
  'linux-arm64': 'aarch64-linux-gnu-strip',
  'win32-x64': 'x86_64-w64-mingw32-strip',
};

/** Builds the addon for one platform and copies it into prebuilds/. */
export function prebuildify(target) {
  const [platform, arch] = target.split('-');
  fs.rmSync(path.join(root, 'prebuilds', target), { recursive: true, force: true });
  const musl = platform === 'linux' && fs.existsSync('/etc/alpine-release');
  const args = [
    path.join(root, 'node_modules', 'prebuildify', 'bin.js'),
    ...['--napi', '--name', 'node.napi', '--strip', '--platform', platform, '--arch', arch],
    ...(arch === 'arm64' ? ['--tag-armv', '8'] : []),
    // A glibc binary gets no tag: @electron/rebuild looks for a name without one.
    ...(musl ? ['--tag-libc', 'musl'] : []),
    ...[
      '--shell',
      '--node-gyp',
      `node "${path.join(root, 'scripts', 'install', 'build-native.mjs')}"`,
    ],
    // A build for another platform is in a separate tree.
    ...[
      '--cwd',
      target === machine ? root : path.join(root, 'build', `cmake-${target}`),
      '--out',
      root,
    ],
  ];
  fs.mkdirSync(path.join(root, 'build', `cmake-${target}`), { recursive: true });
  const environment = { ...process.env };
  if (target !== machine && strips[target]) environment.PREBUILD_STRIP_BIN = strips[target];
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    env: environment,
    stdio: 'inherit',
  });
  if (result.status !== 0)
    throw new Error(`Could not build the prebuild for ${target}; see the output above.`);
  if (target !== machine) return;
  // prebuildify moves the addon out of build/Release, where the tests load it from.
  const prebuilds = path.join(root, 'prebuilds', target);
  const addon = fs.readdirSync(prebuilds).find((name) => name.endsWith('.node'));
  fs.copyFileSync(
    path.join(prebuilds, addon),
    path.join(root, 'build', 'Release', 'qwen3_embed.node'),
  );
}

if (isMain(import.meta)) {
  const targets = process.argv.length > 2 ? process.argv.slice(2) : [machine];
  try {
    for (const target of targets) prebuildify(target);
  } catch (error) {
    fail(error);
  }
}
