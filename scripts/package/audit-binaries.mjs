// Checks which libraries and symbols a prebuilt binary imports, and which symbols it exports.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

// The only symbols that each kind of binary may export.
const entryPoints = {
  addon: ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
  cuda: ['qwen3_cuda_create', 'qwen3_cuda_interface_version'],
};

/**
 * Lists every prebuild below a folder with its size in bytes, its dependencies and its problems.
 * `glibc` is the newest glibc version that a binary may require, such as "2.28"; without it any is
 * allowed.
 */
export function auditPrebuilds(prebuilds, glibc) {
  return fs.readdirSync(prebuilds).flatMap((platform) =>
    fs.readdirSync(path.join(prebuilds, platform)).map((name) => {
      const file = path.join(prebuilds, platform, name);
      return {
        platform,
        name,
        bytes: fs.statSync(file).size,
        ...audit(platform, name, file, glibc),
      };
    }),
  );
}

function audit(platform, name, file, glibc) {
  const expected = name.endsWith('.node') ? entryPoints.addon : entryPoints.cuda;
  if (platform.startsWith('linux')) return auditElf(file, expected, glibc);
  if (platform.startsWith('win32')) return auditWindows(file, expected);
  return { problems: [], needs: 'not checked' };
}

function auditElf(file, expected, glibc) {
  const needed = symbols('nm', ['-D', '--undefined-only', file]);
  const exported = symbols('nm', ['-D', '--defined-only', file]);
  const bare = (names) => names.map((name) => name.split('@')[0]);
  const versions = newest(needed);
  const libraries = [...output('objdump', ['-p', file]).matchAll(/NEEDED\s+(\S+)/g)].map(
    ([, name]) => name,
  );
  const problems = problemsOf(bare(needed), bare(exported), expected);
  if (newerThan(versions.GLIBC, glibc)) problems.push(`needs glibc ${versions.GLIBC}`);
  // A machine without a GPU has no driver library: it must be opened at run time, not linked.
  for (const name of libraries) if (/^libcuda/.test(name)) problems.push(`needs ${name}`);
  const needs = Object.entries(versions).map(([library, version]) => `${library}_${version}`);
  return { problems, needs: [...needs, ...libraries].join(' ') };
}

/**
 * Returns the glibc version that an ELF file requires if it is newer than `glibc`, else undefined.
 */
export function needsNewerGlibc(file, glibc) {
  return newerThan(newest(symbols('nm', ['-D', '--undefined-only', file])).GLIBC, glibc);
}

const newerThan = (version, limit) =>
  version && limit && compare(version, limit) > 0 ? version : undefined;

function auditWindows(file, expected) {
  const table = output('objdump', ['-p', file]);
  const libraries = [...table.matchAll(/DLL Name: (\S+)/g)].map(([, name]) => name);
  const exported = [...table.matchAll(/^\s*\[\s*\d+\] (?:\+base\[\s*\d+\]\s+\w+ )?(\w+)$/gm)].map(
    ([, name]) => name,
  );
  // The names of imported functions are in the file as plain text.
  const needed = fs.readFileSync(file, 'latin1').match(/\bnapi_create_external\w*/g) ?? [];
  return { problems: problemsOf(needed, exported, expected), needs: libraries.join(' ') };
}

function problemsOf(needed, exported, expected) {
  const problems = needed
    .filter((name) => name.startsWith('napi_create_external'))
    .map((name) => `uses ${name}, which Electron does not support`);
  for (const name of exported) if (!expected.includes(name)) problems.push(`exports ${name}`);
  for (const name of expected)
    if (!exported.includes(name)) problems.push(`does not export ${name}`);
  return problems;
}

/** The newest version of each library's symbols among `names`: { GLIBC: '2.28', GCC: '3.3' }. */
function newest(names) {
  const versions = {};
  for (const name of names) {
    const [, library, version] = /@+([A-Z]+)_([\d.]+)$/.exec(name) ?? [];
    if (library && compare(version, versions[library] ?? '0') > 0) versions[library] = version;
  }
  return versions;
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
  if (result.error ?? result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr}`);
  return result.stdout;
}
