// What a prebuilt binary may need and may show: read from its own tables.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

// What each kind of binary shows, and nothing else.
const entryPoints = {
  addon: ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
  cuda: ['qwen3_cuda_create', 'qwen3_cuda_interface_version'],
};

/**
 * Every prebuild below a folder, with its size, what it needs and what is wrong with it. `glibc` is the newest C library
 * that they may need, "2.28"; any where it is missing.
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
  return { problems: [], needs: 'not looked into' };
}

function auditElf(file, expected, glibc) {
  const needed = symbols('nm', ['-D', '--undefined-only', file]);
  const shown = symbols('nm', ['-D', '--defined-only', file]);
  const bare = (names) => names.map((name) => name.split('@')[0]);
  const versions = newest(needed);
  const libraries = [...output('objdump', ['-p', file]).matchAll(/NEEDED\s+(\S+)/g)].map(
    ([, name]) => name,
  );
  const problems = problemsOf(bare(needed), bare(shown), expected);
  if (newerThan(versions.GLIBC, glibc)) problems.push(`needs glibc ${versions.GLIBC}`);
  // A driver is not everywhere, and is looked for when the program runs.
  for (const name of libraries) if (/^libcuda/.test(name)) problems.push(`needs ${name}`);
  const needs = Object.entries(versions).map(([library, version]) => `${library}_${version}`);
  return { problems, needs: [...needs, ...libraries].join(' ') };
}

/** The C library that an ELF file needs, if that is newer than `glibc`; else undefined. */
export function needsNewerGlibc(file, glibc) {
  return newerThan(newest(symbols('nm', ['-D', '--undefined-only', file])).GLIBC, glibc);
}

const newerThan = (version, limit) =>
  version && limit && compare(version, limit) > 0 ? version : undefined;

function auditWindows(file, expected) {
  const table = output('objdump', ['-p', file]);
  const libraries = [...table.matchAll(/DLL Name: (\S+)/g)].map(([, name]) => name);
  const shown = [...table.matchAll(/^\s*\[\s*\d+\] (?:\+base\[\s*\d+\]\s+\w+ )?(\w+)$/gm)].map(
    ([, name]) => name,
  );
  // Imported and exported names stand in the file as they are.
  const needed = fs.readFileSync(file, 'latin1').match(/\bnapi_create_external\w*/g) ?? [];
  return { problems: problemsOf(needed, shown, expected), needs: libraries.join(' ') };
}

function problemsOf(needed, shown, expected) {
  const problems = needed
    .filter((name) => name.startsWith('napi_create_external'))
    .map((name) => `uses ${name}, which Electron refuses`);
  for (const name of shown) if (!expected.includes(name)) problems.push(`shows ${name}`);
  for (const name of expected) if (!shown.includes(name)) problems.push(`does not show ${name}`);
  return problems;
}

/** The newest version of each library's symbols that a binary asks for: { GLIBC: '2.28', GCC: '3.3' }. */
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
