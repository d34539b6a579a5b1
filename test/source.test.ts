// The form of the sources: line length, mutants that still match the code they change, lock file.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

const root = path.join(__dirname, '..');
const maxColumns = 100;

// Folders and files of any depth that are not the project's own text.
const excluded = new Set([
  '.git',
  'build',
  'conformance.txt',
  'data',
  'dist',
  'models',
  'node_modules',
  'package-lock.json',
  'prebuilds',
]);
const textFile =
  /\.(?:cc|cjs|cmake|cts|cu|cuh|gyp|h|html|js|json|map|md|mjs|mts|py|sh|ts|txt|yml)$|\.ci\/run$/;

/** Files below a folder, from the project's folder, with slashes. */
function filesBelow(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !excluded.has(name))
    .flatMap((entry) => {
      const file = path.posix.join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(file) : [file];
    });
}

it(`no line has more than ${maxColumns} columns, table rows excepted`, () => {
  const files = filesBelow('').filter((file) => textFile.test(file));
  expect(files).toEqual(expect.arrayContaining(['.ci/run', 'README.md', 'cuda/rope.cu']));
  const tooLong = files.flatMap((file) =>
    readFileSync(path.join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, i) => {
        const isTableRow = file.endsWith('.md') && line.startsWith('|');
        return [...line].length > maxColumns && !isTableRow ? [`${file}:${i + 1}`] : [];
      }),
  );
  expect(tooLong).toEqual([]);
});

interface Mutant {
  readonly name: string;
  readonly text: string;
  readonly replacement: string;
  readonly suite?: string;
  readonly tests: string;
}

interface MutantsOfFile {
  readonly file: string;
  readonly suite?: string;
  readonly mutants: readonly Mutant[];
}

const programs = ['native_tests', 'avx512_emulation_tests', 'emulator_tests'];
const lists = filesBelow('scripts/check/mutants');

it.each(lists)('the mutants of %s match the code that they change', async (list) => {
  const { file, suite, mutants }: MutantsOfFile = await import(
    pathToFileURL(path.join(root, list)).href
  );
  const code = readFileSync(path.join(root, file), 'utf8');
  for (const { name, text, replacement, suite: own = suite, tests } of mutants) {
    const isSuite = programs.includes(`${own}`) || existsSync(`${root}/test/${own}.test.ts`);
    expect(isSuite, `the suite ${own} of '${name}' exists`).toBe(true);
    expect(tests, name).toMatch(/./);
    const found = code.indexOf(text);
    expect(found, `${name}: ${text}`).not.toBe(-1);
    expect(replacement, name).not.toBe(text);
    // Part of a comment would remain as code.
    const [lastLine] = text.split('\n').slice(-1);
    const after = code.slice(found + text.length).split('\n')[0];
    if (lastLine?.includes('//') && !replacement.includes('//')) expect(after, name).toBe('');
  }
});

// npm ci verifies only packages that have one.
it('the lock file has the hash of every package', () => {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const { '': project, ...others } = packages;
  expect(Object.keys(others)).toContain('node_modules/vitest');
  const missing = Object.keys(others).filter((name) => !others[name].integrity);
  expect(missing).toEqual([]);
});
