// Who may know whom: docs/architecture.md's rules, held by reading the sources.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../lib/errors';

const root = path.join(__dirname, '..');

interface Source {
  /** From the project's folder, with slashes. */
  readonly file: string;
  /** Without comments. */
  readonly code: string;
  /** What it includes, imports or requires, in its own words. */
  readonly imports: readonly string[];
}

function sources(folder: string, pattern: RegExp): Source[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.split(path.sep).join('/')}`)
    .filter((file) => pattern.test(file))
    .map((file) => {
      const code = withoutComments(readFileSync(path.join(root, file), 'utf8'));
      const imported = /^\s*#\s*include\s+(["<].+[">])|\bfrom\s+'([^']+)'|\b(?:require|import)\(\s*'([^']+)'\s*\)/gm;
      const imports = [...code.matchAll(imported)].map(([, include, from, call]) => include ?? from ?? call ?? '');
      return { file, code, imports };
    });
}

function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\/.*|\/\*[\s\S]*?\*\//g,
    (_, string) => string ?? ' ',
  );
}

/** The project's file that an include in quotes names: beside the includer, or from native/. */
function included({ file }: Source, name: string): string | undefined {
  const quoted = /^"(.+)"$/.exec(name)?.[1];
  if (quoted === undefined) return undefined;
  const candidates = [path.posix.join(path.posix.dirname(file), quoted), path.posix.join('native', quoted)];
  return (
    candidates.map((each) => path.posix.normalize(each)).find((each) => existsSync(path.join(root, each))) ?? quoted
  );
}

const native = sources('native', /\.(h|cc)$/);
const cuda = sources('cuda', /\.(h|cc|cu|cuh)$/);
const lib = sources('lib', /\.ts$/);
const named = (list: readonly Source[], file: string) => {
  const found = list.find((source) => source.file === file);
  if (!found) throw new Error(`there is no ${file}`);
  return found;
};
const files = (list: readonly Source[]) => list.map((source) => source.file);

it('backend.h includes the two headers of plain types, nothing more', () => {
  expect(named(native, 'native/backend.h').imports).toEqual(['<cstddef>', '<cstdint>']);
});

it.each([
  ['native/cpu', native],
  ['cuda', cuda],
] as const)('%s sees backend.h and its own folder', (folder, list) => {
  for (const source of list.filter(({ file }) => file.startsWith(`${folder}/`))) {
    for (const file of source.imports.map((name) => included(source, name))) {
      if (file === undefined || file === 'native/backend.h') continue;
      expect(file, source.file).toMatch(new RegExp(`^${folder}/`));
    }
  }
});

it('the reference backend sees backend.h', () => {
  for (const source of native.filter(({ file }) => file.startsWith('native/reference_backend.'))) {
    const own = source.imports.map((name) => included(source, name)).filter((file) => file !== undefined);
    for (const file of own) expect(['native/backend.h', 'native/reference_backend.h']).toContain(file);
  }
});

it('only open_backend.cc names the backends, but for the two functions of the CUDA library', () => {
  const other = native.filter(({ file }) => !/^native\/(cpu\/|reference_backend\.|open_backend\.cc)/.test(file));
  for (const source of other) {
    for (const file of source.imports.map((name) => included(source, name))) {
      if (source.file === 'native/cuda_library.cc' && file === 'cuda/cuda_backend.h') continue;
      expect(file ?? '', source.file).not.toMatch(/^(native\/cpu\/|native\/reference_backend|cuda\/)/);
    }
  }
});

it('only addon.cc knows Node', () => {
  const knowing = [...native, ...cuda].filter(({ imports }) =>
    imports.some((name) => /\b(napi|node_api|js_native_api|node|uv|v8)\.h/.test(name)),
  );
  expect(files(knowing)).toEqual(['native/addon.cc']);
});

it('only load_addon.ts finds the addon, only tokenizer.ts knows its library', () => {
  const importing = (name: string) => files(lib.filter(({ imports }) => imports.includes(name)));
  expect(importing('node-gyp-build')).toEqual(['lib/load_addon.ts']);
  expect(importing('tokenizers')).toEqual(['lib/tokenizer.ts']);
  const others = lib.filter(({ file }) => file !== 'lib/load_addon.ts');
  for (const { file, code } of others) expect(code.match(/\.node'/)?.[0], file).toBeUndefined();
});

it('native code knows neither JSON nor a name of Hugging Face’s', () => {
  for (const { file, code } of [...native, ...cuda]) {
    expect(
      code.match(/embed_tokens|self_attn|_proj\b|layernorm|model_type|data_offsets|json\.h/i)?.[0],
      file,
    ).toBeUndefined();
  }
  expect(files(lib.filter(({ code }) => /embed_tokens|self_attn/.test(code)))).toEqual(['lib/checkpoint.ts']);
});

it('asm and device intrinsics stand in ptx.cuh and its wgmma.cuh, launches in runtime.h', () => {
  for (const { file, code } of cuda) {
    if (!['cuda/ptx.cuh', 'cuda/wgmma.cuh'].includes(file))
      expect(code.match(/\basm\b|\b__(shfl|ldg|cvta|nanosleep|dp4a)/)?.[0], file).toBeUndefined();
    if (file !== 'cuda/runtime.h') expect(code.match(/<<<|cudaLaunchKernel/)?.[0], file).toBeUndefined();
  }
});

it('nothing that ships imports tests, benches or scripts', () => {
  for (const { file, imports } of [...native, ...cuda, ...lib]) {
    for (const name of imports) expect(name, file).not.toMatch(/(^|[/"])(test|bench|scripts)\//);
  }
});

it('there is no folder for odds and ends', () => {
  const folders = ['lib', 'native', 'cuda', 'test', 'bench', 'scripts'].flatMap((folder) =>
    existsSync(path.join(root, folder))
      ? readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      : [],
  );
  for (const name of folders) expect(name).not.toMatch(/(^|[/\\])(utils?|common|helpers?|core|misc)([/\\]|\.\w+$|$)/);
});

describe('the forward pass', () => {
  const { code } = named(native, 'native/forward.cc');

  it('knows no device and no precision', () => {
    expect(code).not.toMatch(/DType|Precision|precision|cpu|cuda|bf16|f16|int8|reference/);
  });

  it('has at most 30 lines', () => {
    const bodies = [...code.matchAll(/^void \w+\([\s\S]*?\) \{\n([\s\S]*?)^\}/gm)].map(([, body]) => body as string);
    const lines = bodies.flatMap((body) => body.split('\n')).filter((line) => line.trim() !== '');
    expect(bodies).toHaveLength(2);
    expect(lines.length).toBeLessThanOrEqual(30);
  });
});

it('the error codes of both sides are one list', () => {
  const codes = [...named(native, 'native/error.h').code.matchAll(/return "([A-Z_]+)";/g)].map(([, code]) => code);
  expect(new Set(codes)).toEqual(new Set(errorCodes));
});

it('the CUDA library’s interface has another number whenever its headers change', () => {
  const seam = ['native/backend.h', 'cuda/cuda_backend.h'].map((file) =>
    named([...native, ...cuda], file).code.replaceAll(/\s+/g, ' '),
  );
  const number = /kCudaInterfaceVersion = (\d+)/.exec(seam.join())?.[1];
  const hash = createHash('sha256').update(seam.join()).digest('hex').slice(0, 16);
  // Where this fails: raise kCudaInterfaceVersion in cuda_backend.h, unless no release has had this number.
  expect({ number, hash }).toEqual({ number: '1', hash: 'd9c686047a38dd54' });
});
