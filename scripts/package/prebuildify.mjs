// npm run prebuildify -- [platform-arch ...]: prebuilds/<platform>-<arch>/, named so that node-gyp-build and
// @electron/rebuild find them. Without arguments for this machine; for others a cross compiler is needed, see cmake/.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail, isMain } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const machine = `${process.platform}-${process.arch}`;

// What GNU binutils call the tools of the platforms that Linux can build for.
const strips = {
  'linux-arm64': 'aarch64-linux-gnu-strip',
  'win32-x64': 'x86_64-w64-mingw32-strip',
};

/** Builds the addon of one platform and puts it into prebuilds/. */
export function prebuildify(target) {
  const [platform, arch] = target.split('-');
  fs.rmSync(path.join(root, 'prebuilds', target), { recursive: true, force: true });
  const musl = platform === 'linux' && fs.existsSync('/etc/alpine-release');
  const args = [
    path.join(root, 'node_modules', 'prebuildify', 'bin.js'),
    ...['--napi', '--name', 'node.napi', '--strip', '--platform', platform, '--arch', arch],
    ...(arch === 'arm64' ? ['--tag-armv', '8'] : []),
    // glibc stays without a tag: that is the name that @electron/rebuild knows.
    ...(musl ? ['--tag-libc', 'musl'] : []),
    ...[
      '--shell',
      '--node-gyp',
      `node "${path.join(root, 'scripts', 'install', 'build-native.mjs')}"`,
    ],
    // What is built for another platform lies in a tree of its own.
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
  if (result.status !== 0) throw new Error(`No prebuild for ${target}; the reason stands above.`);
  if (target !== machine) return;
  // It has moved the addon away; the tests look for it where it was.
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
