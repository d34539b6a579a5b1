// What a prebuilt binary may need and may show: read from its own tables.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** Every prebuild below a folder, with its size and what is wrong with it. */
export function auditPrebuilds(prebuilds) {
  return fs.readdirSync(prebuilds).flatMap((platform) =>
    fs
      .readdirSync(path.join(prebuilds, platform))
      .map((name) => ({ platform, name, file: path.join(prebuilds, platform, name) }))
      .map((binary) => ({ ...binary, bytes: fs.statSync(binary.file).size, ...audit(binary) })),
  );
}

function audit({ platform, name, file }) {
  if (!name.endsWith('.node')) return { problems: [], needs: '' };
  if (platform.startsWith('linux')) return auditElf(file);
  if (platform.startsWith('win32')) return auditWindows(file);
  return { problems: [], needs: 'not looked into' };
}

function auditElf(file) {
  const needed = symbols('nm', ['-D', '--undefined-only', file]);
  const shown = symbols('nm', ['-D', '--defined-only', file]);
  return {
    problems: problemsOf(
      needed.map((name) => name.split('@')[0]),
      shown.map((name) => name.split('@')[0]),
    ),
    needs: newest(needed),
  };
}

function auditWindows(file) {
  const table = output('x86_64-w64-mingw32-objdump', ['-p', file]);
  const libraries = [...table.matchAll(/DLL Name: (\S+)/g)].map(([, name]) => name);
  const shown = [...table.matchAll(/^\s*\[\s*\d+\] (?:\+base\[\s*\d+\]\s+\w+ )?(\w+)$/gm)].map(([, name]) => name);
  // Imported and exported names stand in the file as they are.
  const needed = fs.readFileSync(file, 'latin1').match(/\bnapi_create_external\w*/g) ?? [];
  return { problems: problemsOf(needed, shown), needs: libraries.join(' ') };
}

function problemsOf(needed, shown) {
  const problems = needed
    .filter((name) => name.startsWith('napi_create_external'))
    .map((name) => `uses ${name}, which Electron refuses`);
  for (const name of shown) if (!entryPoints.includes(name)) problems.push(`shows ${name}`);
  for (const name of entryPoints) if (!shown.includes(name)) problems.push(`does not show ${name}`);
  return problems;
}

/** The newest version of each library's symbols that a binary asks for: "GLIBC_2.28 GCC_3.3". */
function newest(names) {
  const versions = {};
  for (const name of names) {
    const [, library, version] = /@+([A-Z]+)_([\d.]+)$/.exec(name) ?? [];
    if (library && (!versions[library] || compare(version, versions[library]) > 0)) versions[library] = version;
  }
  return Object.entries(versions)
    .map(([library, version]) => `${library}_${version}`)
    .join(' ');
}

function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    if ((left[i] ?? 0) !== (right[i] ?? 0)) return (left[i] ?? 0) - (right[i] ?? 0);
  }
  return 0;
}

function symbols(command, args) {
  return output(command, args)
    .split('\n')
    .map((line) => line.trim().split(/\s+/).at(-1))
    .filter(Boolean);
}

function output(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.error ?? result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr}`);
  return result.stdout;
}
