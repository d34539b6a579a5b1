// Files of a checkpoint that change while it is loaded. A load must not mix two versions of them.

import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Embedder } from '../../lib';
import { addon } from '../../lib/addon/binary';
import { Folder } from '../../lib/checkpoint/folder';
import { randomModel, smallModel } from '../support/goldens.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import { tinyCheckpoint, writeCheckpoint } from '../support/tiny_checkpoint';

const ids = Uint32Array.of(7, 6, 5);

let folder: string;
let weights: string;
/** Other weights of the same shape, in a file of their own, and the vector of `ids` with them. */
let other: string;
let otherVector: Float32Array;

beforeEach(async () => {
  folder = temporaryFolder();
  writeCheckpoint(folder, tinyCheckpoint());
  weights = path.join(folder, 'model.safetensors');
  const otherFolder = temporaryFolder();
  writeCheckpoint(otherFolder, tinyCheckpoint({ seed: 2 }));
  other = path.join(otherFolder, 'model.safetensors');
  await using embedder = await Embedder.load(otherFolder);
  otherVector = await embedder.embed(ids);
  // A file system may count time in steps of 10 ms; any write is later than this.
  for (const file of readdirSync(folder)) utimesSync(path.join(folder, file), 1, 1);
  utimesSync(other, 1, 1); // so its size and time do not tell it from `weights`
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs `change` after the headers were read and before native opens the files. */
function beforeNativeOpens(change: () => void) {
  const { load } = addon;
  vi.spyOn(addon, 'load').mockImplementationOnce((...args) => {
    change();
    return load(...args);
  });
}

const refused = (file: string) => ({
  code: 'MODEL_INVALID',
  message: expect.stringContaining(`${file}: it was changed while the model was being loaded`),
});

it('a load refuses weights that are replaced after their header was read', async () => {
  const unload = vi.spyOn(addon, 'unload');
  beforeNativeOpens(() => renameSync(other, weights));
  await expect(Embedder.load(folder)).rejects.toMatchObject(refused('model.safetensors'));
  expect(unload).toHaveBeenCalledOnce();
  await using embedder = await Embedder.load(folder);
  expect(await embedder.embed(ids)).toEqual(otherVector);
});

// On Windows nobody can write them meanwhile.
const inPlace = it.skipIf(process.platform === 'win32');
inPlace('a load refuses weights that are written in place while they are read', async () => {
  let written = false;
  const onProgress = () => {
    if (!written) writeFileSync(weights, readFileSync(other));
    written = true;
  };
  const failing = Embedder.load(folder, { onProgress });
  await expect(failing).rejects.toMatchObject(refused('model.safetensors'));
  await using embedder = await Embedder.load(folder);
  expect(await embedder.embed(ids)).toEqual(otherVector);
});

// The first load's model is in memory until it has found that its file was replaced.
it('a load does not share the weights of another that read an older version', async () => {
  let second: Embedder | undefined;
  const { refuseChanges } = Folder.prototype;
  vi.spyOn(Folder.prototype, 'refuseChanges').mockImplementationOnce(async function (this: Folder) {
    renameSync(other, weights);
    second = await Embedder.load(folder);
    return refuseChanges.call(this);
  });
  await expect(Embedder.load(folder)).rejects.toMatchObject(refused('model.safetensors'));
  expect(await second?.embed(ids)).toEqual(otherVector);
  await second?.close();
});

it.each(['config.json', 'config_sentence_transformers.json', 'tokenizer.json', 'modules.json'])(
  'a load refuses a change of %s, or a new one',
  async (file) => {
    beforeNativeOpens(() => writeFileSync(path.join(folder, file), '{}'));
    await expect(Embedder.load(folder)).rejects.toMatchObject(refused(file));
  },
);

it('a load refuses a file that disappears', async () => {
  const file = path.join(folder, 'modules.json');
  writeFileSync(file, '[]');
  beforeNativeOpens(() => rmSync(file));
  await expect(Embedder.load(folder)).rejects.toMatchObject(refused('modules.json'));
});

it('a load refuses a shard that has changed', async () => {
  const sharded = path.join(temporaryFolder(), 'sharded');
  cpSync(randomModel('mha-sharded-f32').folder, sharded, { recursive: true });
  const files = readdirSync(sharded).filter((file) => file.endsWith('.safetensors'));
  const shard = files.at(-1) as string;
  beforeNativeOpens(() => utimesSync(path.join(sharded, shard), 1, 1));
  await expect(Embedder.load(sharded)).rejects.toMatchObject(refused(shard));
});

it('calls read no files: tokenizer.json may be replaced, and the folder deleted', async () => {
  const copy = path.join(temporaryFolder(), 'small');
  cpSync(smallModel, copy, { recursive: true });
  await using embedder = await Embedder.load(copy);
  const text = 'a <|im_start|> b';
  const results = () =>
    Promise.all(
      (['parse', 'text'] as const).map((specialTokens) => embedder.embed(text, { specialTokens })),
    );
  const [parsed, asText] = await results();
  expect(asText).not.toEqual(parsed);
  writeFileSync(path.join(copy, 'tokenizer.json'), '{}');
  expect(await results()).toEqual([parsed, asText]);
  rmSync(copy, { recursive: true });
  expect(await results()).toEqual([parsed, asText]);
});

it('a load reads one folder, although the link to it changes', async () => {
  const link = path.join(temporaryFolder(), 'current');
  symlinkSync(folder, link);
  beforeNativeOpens(() => {
    rmSync(link);
    symlinkSync(path.dirname(other), link);
  });
  await using before = await Embedder.load(link);
  expect(before.model).toBe(folder);
  await using after = await Embedder.load(link);
  expect(await after.embed(ids)).toEqual(otherVector);
  expect(await before.embed(ids)).not.toEqual(otherVector);
});
