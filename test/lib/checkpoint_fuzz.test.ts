// Checkpoints with flipped bits, truncated files and swapped numbers: each must result in vectors
// or an EmbedderError. They are loaded in a separate process, in which a crash would show.

import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { run, script } from '../support/child';
import { randomNumbers } from '../support/random_numbers.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import { safetensors, tinyCheckpoint, writeCheckpoint } from '../support/tiny_checkpoint';
import { shortTokenizer } from '../support/tokenizer_json.cjs';

const count = 800;

/** Writes the tiny checkpoint with all optional files; with `shards`, its weights in two files. */
function writeWhole(folder: string, shards: boolean): void {
  const tokenizer = shortTokenizer(64);
  const vocabulary = Object.keys(tokenizer.model.vocab).length + tokenizer.added_tokens.length;
  const { config, tensors } = tinyCheckpoint({ vocabulary });
  writeCheckpoint(folder, { config, tensors });
  const write = (name: string, content: unknown) =>
    writeFileSync(path.join(folder, name), JSON.stringify(content));
  mkdirSync(path.join(folder, '1_Pooling'));
  write('1_Pooling/config.json', { pooling_mode_lasttoken: true, word_embedding_dimension: 32 });
  write('modules.json', [{ type: 'sentence_transformers.models.Pooling', path: '1_Pooling' }]);
  write('config_sentence_transformers.json', { prompts: { query: 'Query:' } });
  write('tokenizer.json', tokenizer);
  if (!shards) return;
  const names = Object.keys(tensors);
  const halves = [names.slice(0, 6), names.slice(6)];
  halves.forEach((half, index) => {
    const part = Object.fromEntries(
      Object.entries(tensors).filter(([name]) => half.includes(name)),
    );
    writeFileSync(path.join(folder, `part-${index}.safetensors`), safetensors(part));
  });
  const file = (name: string) =>
    `part-${halves.findIndex((half) => half.includes(name))}.safetensors`;
  write('model.safetensors.index.json', {
    weight_map: Object.fromEntries(names.map((name) => [name, file(name)])),
  });
  rmSync(path.join(folder, 'model.safetensors'));
}

/** Damages one file of a folder at random. Returns a description. */
function mutate(folder: string, random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(path.join(folder, name)).isFile(),
  );
  // Half of the time a file with weights, config.json or tokenizer.json: they have the most fields.
  const name =
    random() < 0.5
      ? pick(files)
      : pick(files.filter((each) => /^config.json|tensors$|^tokenizer/.test(each)));
  const file = path.join(folder, name);
  const bytes = readFileSync(file);
  // Headers are small, so half of the places are in the first 1,500 bytes.
  const place = () =>
    Math.floor(random() * (random() < 0.5 ? Math.min(bytes.length, 1_500) : bytes.length));
  const kind = pick([
    'flip',
    'flip',
    'cut',
    'number',
    'number',
    'swap',
    'overwrite',
    'drop',
  ] as const);
  writeFileSync(file, mutated(kind));
  return `${kind} in ${name}`;

  function mutated(kind: string): Buffer {
    if (kind === 'flip') {
      for (let i = 1 + Math.floor(random() * 8); i > 0; i--) {
        const at = place();
        bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
      }
      return bytes;
    }
    if (kind === 'cut') return bytes.subarray(0, place());
    if (kind === 'drop') {
      const at = place();
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(at + 1 + Math.floor(random() * 64)),
      ]);
    }
    if (kind === 'overwrite') {
      const at = place();
      return Buffer.from(
        bytes.fill(pick([0, 0x7f, 0xff, 0x39]), at, Math.min(at + 8, bytes.length)),
      );
    }
    // latin1 preserves every byte.
    const text = bytes.toString('latin1');
    const numbers = [...text.slice(0, 20_000).matchAll(/-?\b\d+(\.\d+)?(e[+-]?\d+)?\b/g)];
    if (numbers.length === 0) return bytes;
    const unusual = [
      '0',
      '-1',
      '1.5',
      '1',
      '2',
      '4294967296',
      '9007199254740993',
      '1e308',
      '-0',
      '65536',
      'null',
      '"x"',
      `"${'x'.repeat(100_000)}"`,
      `[${'1,'.repeat(100_000)}1]`,
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    ];
    const victim = pick(numbers);
    const replacement = kind === 'swap' ? pick(numbers)[0] : pick(unusual);
    const end = victim.index + victim[0].length;
    return Buffer.from(text.slice(0, victim.index) + replacement + text.slice(end), 'latin1');
  }
}

it(`${count} damaged checkpoints give vectors or an EmbedderError`, {
  timeout: 240_000,
}, async () => {
  const root = temporaryFolder();
  const random = randomNumbers(20_261_123);
  const whole = [false, true].map((shards) => {
    const folder = path.join(root, `whole-${shards}`);
    writeWhole(folder, shards);
    return folder;
  });
  const damages = Array.from({ length: count }, (_, index) => {
    const folder = path.join(root, `${index}`);
    cpSync(whole[index % 4 === 0 ? 1 : 0] as string, folder, { recursive: true });
    return mutate(folder, random);
  });
  const ended = await run(
    script(`
      process.on('warning', () => {});
      for (let index = 0; index < ${count}; index++) {
        const outcome = async () => {
          const embedder = await Embedder.load(process.argv[1] + '/' + index);
          await embedder.embed([Uint32Array.of(0), new Uint32Array(70)]);
          const specialTokens = index % 2 ? 'text' : 'parse';
          await embedder.embed(['abc', '', 'x9'], { specialTokens, truncate: 'end' });
          await embedder.close();
          return 'vectors';
        };
        const result = await outcome().catch((error) =>
          error instanceof EmbedderError && error.message.length < 500
            ? error.code
            : 'not a short EmbedderError: ' + error.stack.slice(0, 1e4).replaceAll('\\n', ' '));
        console.log(index + ' ' + result);
      }`),
    { args: [root], seconds: 200 },
  );
  const outcomes = ended.stdout.trim().split('\n');
  const last = outcomes.length - 1;
  expect(ended, `after ${outcomes[last]}, at ${damages[outcomes.length]}`).toMatchObject({
    code: 0,
    signal: null,
  });
  expect(outcomes).toHaveLength(count);
  const unexpected = outcomes.filter((outcome) => !/^\d+ (vectors|[A-Z_]+)$/.test(outcome));
  expect(
    unexpected.map((outcome) => `${outcome}, ${damages[Number.parseInt(outcome, 10)]}`),
  ).toEqual([]);
  // Both outcomes must be frequent, or the test is meaningless.
  const loaded = outcomes.filter((outcome) => outcome.endsWith('vectors')).length;
  expect(loaded).toBeGreaterThan(count / 10);
  expect(count - loaded).toBeGreaterThan(count / 4);
});
