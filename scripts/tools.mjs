// npm packages that only the checks need. Each is installed below build/tools, at a fixed version,
// when a check first requests it, so that a normal setup does not download it.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './install/stamp.mjs';

/**
 * Installs an npm package if necessary and returns its folder. `spec` is npm's form, such as
 * 'publint@0.3.25'. Packages of other platforms are accepted.
 */
export function tool(spec) {
  const name = spec.slice(0, spec.lastIndexOf('@'));
  const folder = path.join(root, 'build', 'tools', spec.replace('/', '+'));
  const installed = path.join(folder, 'node_modules', name);
  if (fs.existsSync(path.join(installed, 'package.json'))) return installed;
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), '{}\n');
  const args = [
    'install',
    '--ignore-scripts',
    '--force',
    '--no-save',
    '--prefer-offline',
    '--loglevel=error',
    spec,
  ];
  const result = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (result.status !== 0) throw new Error(`npm could not install ${spec}.`);
  return installed;
}

/** Returns the path of the Node binary of a version, for this or another platform. */
export function nodeBinary(version, platform = process.platform, arch = process.arch) {
  const names = { win32: 'win', darwin: 'darwin', linux: 'linux' };
  const folder = tool(`node-${names[platform]}-${arch}@${version}`);
  return path.join(folder, 'bin', platform === 'win32' ? 'node.exe' : 'node');
}
