// The layering rules of docs/architecture.md, held by reading the sources.

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
      const imported =
        /^\s*#\s*include\s+(["<].+[">])|\bfrom\s+'([^']+)'|\b(?:require|import)\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm;
      const imports = [...code.matchAll(imported)].map(
        (found) => found.slice(1).find((name) => name) ?? '',
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

/** The project's file that an import names, from the project's folder; nothing for a package or a system header. */
function imported({ file }: Source, name: string): string | undefined {
  const isRelative = name.startsWith('.');
  const quoted = isRelative ? name : /^"(.+)"$/.exec(name)?.[1];
  if (quoted === undefined) return undefined;
  const beside = path.posix.join(path.posix.dirname(file), quoted);
  const candidates = isRelative
    ? [`${beside}.ts`, `${beside}/index.ts`]
    : [beside, path.posix.join('native', quoted)];
  const found = candidates.find((each) => existsSync(path.join(root, each)));
  if (!found) throw new Error(`${file} imports ${name}, which is not there`);
  return found;
}

const native = sources('native', /\.(h|cc)$/);
const cuda = sources('cuda', /\.(h|cc|cu|cuh)$/);
const lib = sources('lib', /\.ts$/);
const shipped = [...native, ...cuda, ...lib];
const named = (list: readonly Source[], file: string) => {
  const found = list.find((source) => source.file === file);
  if (!found) throw new Error(`there is no ${file}`);
  return found;
};
const files = (list: readonly Source[]) => list.map((source) => source.file);

/** Every layer (a folder, or files of one name), lowest first, and which others its files may import. */
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
  'native/engine': ['native/error', 'native/model', 'native/devices'],
  'native/addon': [
    'native/error',
    'native/platform',
    'native/backend',
    'native/devices',
    'native/model',
    'native/engine',
  ],

  'lib/errors': [],
  'lib/cancellation': [],
  'lib/addon/types': [],
  'lib/addon': ['lib/errors', 'lib/addon/types'],
  'lib/checkpoint': ['lib/errors', 'lib/addon/types'],
  'lib/options': ['lib/addon/types'],
  'lib/text': ['lib/errors', 'lib/addon/types', 'lib/options'],
  'lib/embedder': [
    'lib/errors',
    'lib/cancellation',
    'lib/addon/types',
    'lib/addon',
    'lib/checkpoint',
    'lib/options',
    'lib/text',
  ],
  'lib/index': ['lib/errors', 'lib/addon/types', 'lib/options', 'lib/embedder'],
};

/** The layer of a file: the longest name in the table that fits. */
function layerOf(file: string): string {
  const fitting = Object.keys(layers).filter(
    (layer) => file.startsWith(`${layer}/`) || file.startsWith(`${layer}.`),
  );
  const layer = fitting.sort((a, b) => b.length - a.length)[0];
  if (!layer)
    throw new Error(
      `${file} belongs to no layer: name one in this table and in docs/architecture.md`,
    );
  return layer;
}

/** What the files of a layer import of other layers. Fails where there is no such file. */
function importsOf(layer: string): { by: string; file: string; layer: string }[] {
  const own = shipped.filter(({ file }) => layerOf(file) === layer);
  expect(own).not.toEqual([]);
  return own
    .flatMap((source) =>
      source.imports.map((name) => ({ by: source.file, file: imported(source, name) })),
    )
    .flatMap(({ by, file }) => (file === undefined ? [] : [{ by, file, layer: layerOf(file) }]))
    .filter((found) => found.layer !== layer);
}

describe('layers import only what the table says', () => {
  it.each(Object.keys(layers))('%s', (layer) => {
    for (const found of importsOf(layer)) {
      expect(layers[layer], `${found.by} imports ${found.file}`).toContain(found.layer);
    }
  });
});

it('each layer imports only layers that stand before it in the table', () => {
  const names = Object.keys(layers);
  for (const [layer, allowed] of Object.entries(layers)) {
    for (const other of allowed)
      expect(names.indexOf(other), `${layer}, ${other}`).toBeLessThan(names.indexOf(layer));
  }
});

it('every import that the table allows is there', () => {
  for (const [layer, allowed] of Object.entries(layers)) {
    const seen = importsOf(layer).map((found) => found.layer);
    for (const other of allowed)
      expect(seen, `${layer} imports something of ${other}`).toContain(other);
  }
});

it('the backend interface includes the two headers of plain types, nothing more', () => {
  expect(named(native, 'native/backend/backend.h').imports).toEqual(['<cstddef>', '<cstdint>']);
});

// The linker keeps one copy of an inline function for the whole program: perhaps the one compiled for another CPU.
it('what is compiled for one instruction set includes no C++ library', () => {
  const compiled = native.filter(
    ({ file }) => /^native\/cpu\/isa\/.*\.cc$/.test(file) && !file.endsWith('/isa.cc'),
  );
  expect(compiled.length).toBeGreaterThan(1);
  const plain = ['<cstddef>', '<cstdint>', '<math.h>', '<immintrin.h>', '<arm_neon.h>'];
  const check = (source: Source, by: string) => {
    for (const name of source.imports) {
      const file = imported(source, name);
      if (file) check(named(native, file), `${by} > ${file}`);
      else expect(plain, by).toContain(name);
    }
  };
  for (const source of compiled) check(source, source.file);
});

it('a header of the tests has a path of its own', () => {
  for (const file of files(sources('test/native', /\.h$/))) {
    if (file.startsWith('test/native/avx512_emulation/')) continue; // to take another's place
    expect(existsSync(path.join(root, file.replace('test/', ''))), file).toBe(false);
  }
});

it('only platform/ tells operating systems apart, and the addon where Node does', () => {
  const telling = [...native, ...cuda].filter(({ code }) =>
    /_WIN32|__linux__|__APPLE__/.test(code),
  );
  for (const { file } of telling) expect(file).toMatch(/^native\/(platform|addon)\//);
});

it('only addon/ knows Node', () => {
  const knowing = [...native, ...cuda].filter(({ imports }) =>
    imports.some((name) => /\b(napi|node_api|js_native_api|node|uv|v8)\.h/.test(name)),
  );
  expect(files(knowing)).not.toEqual([]);
  for (const { file } of knowing) expect(file).toMatch(/^native\/addon\//);
});

it('only load_addon.ts finds the addon, only tokenizer.ts knows its library', () => {
  const importing = (name: string) => files(lib.filter(({ imports }) => imports.includes(name)));
  expect(importing('node-gyp-build')).toEqual(['lib/addon/load_addon.ts']);
  expect(importing('tokenizers')).toEqual(['lib/text/tokenizer.ts']);
  const others = lib.filter(({ file }) => file !== 'lib/addon/load_addon.ts');
  for (const { file, code } of others) expect(code.match(/\.node'/)?.[0], file).toBeUndefined();
});

it('importing the addon’s types loads nothing: there is nothing else in them', () => {
  expect(named(lib, 'lib/addon/types.ts').code).not.toMatch(/^export (?!interface |type )/m);
});

it('native code knows neither JSON nor a name of Hugging Face’s', () => {
  for (const { file, code } of [...native, ...cuda]) {
    expect(
      code.match(/embed_tokens|self_attn|_proj\b|layernorm|model_type|data_offsets|json\.h/i)?.[0],
      file,
    ).toBeUndefined();
  }
  expect(files(lib.filter(({ code }) => /embed_tokens|self_attn/.test(code)))).toEqual([
    'lib/checkpoint/checkpoint.ts',
  ]);
});

it('asm and device intrinsics stand in ptx.cuh and its wgmma.cuh, launches in runtime.h', () => {
  for (const { file, code } of cuda) {
    if (!['cuda/ptx.cuh', 'cuda/wgmma.cuh'].includes(file))
      expect(code.match(/\basm\b|\b__(shfl|ldg|cvta|nanosleep|dp4a)/)?.[0], file).toBeUndefined();
    if (file !== 'cuda/runtime.h')
      expect(code.match(/<<<|cudaLaunchKernel/)?.[0], file).toBeUndefined();
  }
});

it('nothing that ships imports tests, benches or scripts', () => {
  for (const { file, imports } of shipped) {
    for (const name of imports) expect(name, file).not.toMatch(/(^|[/"])(test|bench|scripts)\//);
  }
});

it('of the scripts only install/ ships, and it imports none that do not', () => {
  const { files: packed } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  expect(packed.filter((name: string) => name.startsWith('scripts'))).toEqual(['scripts/install']);
  for (const { file, imports } of sources('scripts/install', /\.mjs$/)) {
    for (const name of imports) expect(name, file).not.toMatch(/^\.\./);
  }
});

it('there is no folder for odds and ends', () => {
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

  it('knows no device and no precision', () => {
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

it('the error codes of both sides are one list', () => {
  const codes = [...named(native, 'native/error.h').code.matchAll(/return "([A-Z_]+)";/g)].map(
    ([, code]) => code,
  );
  expect(new Set(codes)).toEqual(new Set(errorCodes));
});

it('the CUDA library’s interface has another number whenever its headers change', () => {
  const seam = ['native/backend/backend.h', 'native/backend/cuda_interface.h'].map((file) =>
    named(native, file)
      .code.replaceAll(/#\s*include.*/g, '')
      .replaceAll(/\s+/g, ' '),
  );
  const number = /kCudaInterfaceVersion = (\d+)/.exec(seam.join())?.[1];
  const hash = createHash('sha256').update(seam.join()).digest('hex').slice(0, 16);
  // Where this fails: raise kCudaInterfaceVersion in cuda_interface.h, unless no release has had this number.
  expect({ number, hash }).toEqual({ number: '1', hash: '75fc9a8b4aa0be5b' });
});
