// Checks the layering rules of docs/architecture.md by reading the sources.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../lib/errors';

const root = path.join(__dirname, '..');

interface Source {
  /** Path from the project's root, with slashes. */
  readonly file: string;
  /** The text without comments. */
  readonly code: string;
  /** The names that it includes, imports or requires, as written. */
  readonly imports: readonly string[];
}

function sources(folder: string, pattern: RegExp): Source[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.split(path.sep).join('/')}`)
    .filter((file) => pattern.test(file))
    .map((file) => {
      const code = withoutComments(readFileSync(path.join(root, file), 'utf8'));
      const patterns = [
        /^\s*#\s*include\s+(["<].+[">])/gm,
        /\bfrom\s+'([^']+)'/gm,
        /\b(?:require|import)\(\s*'([^']+)'\s*\)/gm,
        /^import\s+'([^']+)'/gm,
      ];
      const imports = patterns.flatMap((each) =>
        [...code.matchAll(each)].map(([, name]) => name ?? ''),
      );
      return { file, code, imports };
    });
}

function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\/.*|\/\*[\s\S]*?\*\//g,
    (_, string) => string ?? ' ',
  );
}

/**
 * The path from the project's root of the file that an import names. Undefined for a package or a
 * system header.
 */
function resolveImport({ file }: Source, name: string): string | undefined {
  const isRelative = name.startsWith('.');
  const quoted = isRelative ? name : /^"(.+)"$/.exec(name)?.[1];
  if (quoted === undefined) return undefined;
  const relative = path.posix.join(path.posix.dirname(file), quoted);
  const candidates = isRelative
    ? [`${relative}.ts`, `${relative}/index.ts`]
    : [relative, path.posix.join('native', quoted)];
  const found = candidates.find((each) => existsSync(path.join(root, each)));
  if (!found) throw new Error(`${file} imports ${name}, which does not exist`);
  return found;
}

const native = sources('native', /\.(h|cc)$/);
const cuda = sources('cuda', /\.(h|cc|cu|cuh)$/);
const lib = sources('lib', /\.ts$/);
const shipped = [...native, ...cuda, ...lib];
const named = (list: readonly Source[], file: string) => {
  const found = list.find((source) => source.file === file);
  if (!found) throw new Error(`${file} does not exist`);
  return found;
};
const files = (list: readonly Source[]) => list.map((source) => source.file);

/**
 * Every layer (a folder, or files of one name), lowest first, with the layers that it may import.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  'native/error': [],
  'native/platform': ['native/error'],
  'native/backend': [],
  'native/backend/cuda_interface': ['native/backend'],
  'native/cpu/kernels': ['native/backend'],
  'native/cpu/isa': ['native/platform', 'native/cpu/kernels'],
  'native/cpu': ['native/platform', 'native/backend', 'native/cpu/kernels', 'native/cpu/isa'],
  'native/reference': ['native/backend'],
  cuda: ['native/backend', 'native/backend/cuda_interface'],
  'native/devices': [
    'native/error',
    'native/platform',
    'native/backend',
    'native/backend/cuda_interface',
    'native/cpu',
    'native/reference',
  ],
  'native/model': ['native/error', 'native/platform', 'native/backend'],
  'native/tokenizer/hash': [],
  'native/tokenizer/unicode': [],
  'native/tokenizer/words': ['native/tokenizer/hash', 'native/tokenizer/unicode'],
  'native/tokenizer/file': ['native/error', 'native/tokenizer/unicode', 'native/tokenizer/words'],
  'native/tokenizer/added_tokens': [
    'native/error',
    'native/tokenizer/hash',
    'native/tokenizer/unicode',
    'native/tokenizer/file',
  ],
  'native/tokenizer': [
    'native/error',
    'native/tokenizer/unicode',
    'native/tokenizer/words',
    'native/tokenizer/file',
    'native/tokenizer/added_tokens',
  ],
  'native/engine': [
    'native/error',
    'native/platform',
    'native/model',
    'native/devices',
    'native/tokenizer',
  ],
  'native/addon': [
    'native/error',
    'native/platform',
    'native/backend',
    'native/devices',
    'native/model',
    'native/engine',
  ],

  'lib/addon/types': [],
  'lib/errors': ['lib/addon/types'],
  'lib/cancellation': [],
  'lib/show': [],
  'lib/vectors': ['lib/errors', 'lib/addon/types'],
  'lib/addon': ['lib/errors', 'lib/cancellation', 'lib/addon/types'],
  'lib/checkpoint': ['lib/errors', 'lib/show', 'lib/addon/types'],
  'lib/options': ['lib/cancellation', 'lib/show', 'lib/addon/types'],
  'lib/text': [
    'lib/errors',
    'lib/cancellation',
    'lib/show',
    'lib/addon/types',
    'lib/addon',
    'lib/options',
  ],
  'lib/embedder': [
    'lib/errors',
    'lib/cancellation',
    'lib/show',
    'lib/vectors',
    'lib/addon/types',
    'lib/addon',
    'lib/checkpoint',
    'lib/options',
    'lib/text',
  ],
  'lib/index': ['lib/errors', 'lib/cancellation', 'lib/addon/types', 'lib/options', 'lib/embedder'],
};

/** The layer of a file: the longest name in the table that matches its path. */
function layerOf(file: string): string {
  const fitting = Object.keys(layers).filter(
    (layer) => file.startsWith(`${layer}/`) || file.startsWith(`${layer}.`),
  );
  const layer = fitting.sort((a, b) => b.length - a.length)[0];
  if (!layer) {
    throw new Error(
      `${file} belongs to no layer: add one to this table and to docs/architecture.md`,
    );
  }
  return layer;
}

/** The imports of a layer from other layers. Fails if the layer has no files. */
function importsOf(layer: string): { by: string; file: string; layer: string }[] {
  const own = shipped.filter(({ file }) => layerOf(file) === layer);
  expect(own).not.toEqual([]);
  return own
    .flatMap((source) =>
      source.imports.map((name) => ({ by: source.file, file: resolveImport(source, name) })),
    )
    .flatMap(({ by, file }) => (file === undefined ? [] : [{ by, file, layer: layerOf(file) }]))
    .filter((found) => found.layer !== layer);
}

describe('a layer imports only the layers that the table allows', () => {
  it.each(Object.keys(layers))('%s', (layer) => {
    for (const found of importsOf(layer)) {
      expect(layers[layer], `${found.by} imports ${found.file}`).toContain(found.layer);
    }
  });
});

it('a layer imports only layers before it in the table', () => {
  const names = Object.keys(layers);
  for (const [layer, allowed] of Object.entries(layers)) {
    for (const other of allowed)
      expect(names.indexOf(other), `${layer}, ${other}`).toBeLessThan(names.indexOf(layer));
  }
});

it('every import that the table allows exists', () => {
  for (const [layer, allowed] of Object.entries(layers)) {
    const seen = importsOf(layer).map((found) => found.layer);
    for (const other of allowed) expect(seen, `${layer} imports from ${other}`).toContain(other);
  }
});

it('the backend interface includes only <cstddef> and <cstdint>', () => {
  expect(named(native, 'native/backend/backend.h').imports).toEqual(['<cstddef>', '<cstdint>']);
});

// The linker keeps one copy of an inline function for the whole program, which may be the one that
// was compiled for an instruction set that the CPU does not have.
it('code compiled for one instruction set includes no C++ library headers', () => {
  const compiled = native.filter(
    ({ file }) => /^native\/cpu\/isa\/.*\.cc$/.test(file) && !file.endsWith('/isa.cc'),
  );
  expect(compiled.length).toBeGreaterThan(1);
  const plain = ['<cstddef>', '<cstdint>', '<math.h>', '<immintrin.h>', '<arm_neon.h>'];
  const check = (source: Source, by: string) => {
    for (const name of source.imports) {
      const file = resolveImport(source, name);
      if (file) check(named(native, file), `${by} > ${file}`);
      else expect(plain, by).toContain(name);
    }
  };
  for (const source of compiled) check(source, source.file);
});

it('no test header has the path of another header', () => {
  for (const file of files(sources('test/native', /\.h$/))) {
    // This folder replaces a header of native/ on purpose.
    if (file.startsWith('test/native/avx512_emulation/')) continue;
    expect(existsSync(path.join(root, file.replace('test/', ''))), file).toBe(false);
  }
});

it('only platform/ and addon/ distinguish operating systems', () => {
  const distinguishing = [...native, ...cuda].filter(({ code }) =>
    /_WIN32|__linux__|__APPLE__/.test(code),
  );
  for (const { file } of distinguishing) expect(file).toMatch(/^native\/(platform|addon)\//);
});

it('only addon/ includes Node headers', () => {
  const including = [...native, ...cuda].filter(({ imports }) =>
    imports.some((name) => /\b(napi|node_api|js_native_api|node|uv|v8)\.h/.test(name)),
  );
  expect(files(including)).not.toEqual([]);
  for (const { file } of including) expect(file).toMatch(/^native\/addon\//);
});

it('node-gyp-build is the only package that lib/ imports, and only load_addon.ts does', () => {
  const packages = lib.flatMap(({ file, imports }) =>
    imports.filter((name) => !/^(\.|node:)/.test(name)).map((name) => `${file}: ${name}`),
  );
  expect(packages).toEqual(['lib/addon/load_addon.ts: node-gyp-build']);
  const others = lib.filter(({ file }) => file !== 'lib/addon/load_addon.ts');
  for (const { file, code } of others) expect(code.match(/\.node'/)?.[0], file).toBeUndefined();
});

it('lib/addon/types.ts exports only types, so that importing it loads nothing', () => {
  expect(named(lib, 'lib/addon/types.ts').code).not.toMatch(/^export (?!interface |type )/m);
});

it('native code knows no tensors of Hugging Face', () => {
  for (const { file, code } of [...native, ...cuda]) {
    expect(
      code.match(/embed_tokens|self_attn|_proj\b|layernorm|model_type|data_offsets/i)?.[0],
      file,
    ).toBeUndefined();
  }
  expect(files(lib.filter(({ code }) => /embed_tokens|self_attn/.test(code)))).toEqual([
    'lib/checkpoint/checkpoint.ts',
  ]);
});

it('other folders include only tokenizer.h of the tokenizer', () => {
  const outside = native.filter(({ file }) => !file.startsWith('native/tokenizer/'));
  const included = outside.flatMap(({ imports }) =>
    imports.filter((name) => name.startsWith('"tokenizer/')),
  );
  expect(new Set(included)).toEqual(new Set(['"tokenizer/tokenizer.h"']));
});

it('asm and device intrinsics are in ptx.cuh and wgmma.cuh, launches in runtime.h', () => {
  for (const { file, code } of cuda) {
    if (!['cuda/ptx.cuh', 'cuda/wgmma.cuh'].includes(file))
      expect(code.match(/\basm\b|\b__(shfl|ldg|cvta|nanosleep|dp4a)/)?.[0], file).toBeUndefined();
    if (file !== 'cuda/runtime.h')
      expect(code.match(/<<<|cudaLaunchKernel/)?.[0], file).toBeUndefined();
  }
});

it('shipped code imports no tests, benchmarks or scripts', () => {
  for (const { file, imports } of shipped) {
    for (const name of imports) expect(name, file).not.toMatch(/(^|[/"])(test|bench|scripts)\//);
  }
});

it('scripts/install/ alone ships, and imports no other scripts', () => {
  const { files: packed } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  expect(packed.filter((name: string) => name.startsWith('scripts'))).toEqual(['scripts/install']);
  for (const { file, imports } of sources('scripts/install', /\.mjs$/)) {
    for (const name of imports) expect(name, file).not.toMatch(/^\.\./);
  }
});

it('no file or folder has a catch-all name such as utils', () => {
  const folders = ['lib', 'native', 'cuda', 'test', 'bench', 'scripts'].flatMap((folder) =>
    existsSync(path.join(root, folder))
      ? readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      : [],
  );
  for (const name of folders)
    expect(name).not.toMatch(/(^|[/\\])(utils?|common|helpers?|core|misc)([/\\]|\.\w+$|$)/);
});

describe('the forward pass', () => {
  const { code } = named(native, 'native/model/forward.cc');

  it('names no device and no precision', () => {
    expect(code).not.toMatch(/DType|Precision|precision|cpu|cuda|bf16|f16|int8|reference/);
  });

  it('has at most 30 lines', () => {
    const bodies = [...code.matchAll(/^void \w+\([\s\S]*?\) \{\n([\s\S]*?)^\}/gm)].map(
      ([, body]) => body as string,
    );
    const lines = bodies.flatMap((body) => body.split('\n')).filter((line) => line.trim() !== '');
    expect(bodies).toHaveLength(2);
    expect(lines.length).toBeLessThanOrEqual(30);
  });
});

it('native and lib have the same error codes', () => {
  const codes = [...named(native, 'native/error.h').code.matchAll(/return "([A-Z_]+)";/g)].map(
    ([, code]) => code,
  );
  expect(new Set(codes)).toEqual(new Set(errorCodes));
});

it('the version of the CUDA library’s interface changes with its headers', () => {
  const seam = ['native/backend/backend.h', 'native/backend/cuda_interface.h'].map((file) =>
    named(native, file)
      .code.replaceAll(/#\s*include.*/g, '')
      .replaceAll(/\s+/g, ' '),
  );
  const number = /kCudaInterfaceVersion = (\d+)/.exec(seam.join())?.[1];
  const hash = createHash('sha256').update(seam.join()).digest('hex').slice(0, 16);
  // If this fails and a release has had this version, increment kCudaInterfaceVersion in
  // cuda_interface.h. Then update the values below.
  expect({ number, hash }).toEqual({ number: '1', hash: 'e269e4725bc3bb63' });
});
