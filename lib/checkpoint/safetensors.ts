// Reads the headers of a folder's safetensors files: location, data type and shape of every tensor.
// Knows the format (https://huggingface.co/docs/safetensors), not the model. A file consists of the
// header's length (8 bytes, little endian), a JSON header and the tensors' data.

import { type FileHandle, open, realpath } from 'node:fs/promises';
import type { FileSource } from '../addon/types';
import { EmbedderError } from '../errors';
import { show } from '../show';
import { invalid, unreadable } from './errors';
import { type Folder, isObject, isPlainName } from './folder';

/** A tensor as described by its file's header, checked against the file's length. */
export interface StoredTensor {
  /** Index into `TensorTable.files`. */
  readonly file: number;
  /** In bytes, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
  /** The format's name of the data type: `F32`, `BF16`, ... */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** All tensors of a checkpoint, by name. */
export interface TensorTable {
  readonly files: readonly FileSource[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

// The format's own limit.
const maxHeaderBytes = 100_000_000;
const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';

/**
 * Reads the header of `model.safetensors` or, if there is none, the headers of the shards listed in
 * `model.safetensors.index.json`. Throws `MODEL_NOT_FOUND` or `MODEL_INVALID`.
 */
export async function readTensorTable(folder: Folder): Promise<TensorTable> {
  const single = await readFile(folder, singleFile, 0);
  if (single) return { files: [single.source], tensors: single.tensors };
  const index = folder.file(indexFile);
  const weightMap = (await folder.readJsonObject(index))?.weight_map;
  if (weightMap === undefined) {
    throw new EmbedderError(
      'MODEL_NOT_FOUND',
      `${folder.path} has neither ${singleFile} nor a weight_map in ${indexFile}.`,
    );
  }
  if (!isObject(weightMap)) throw damaged(index, 'weight_map is not an object');

  const names = [...new Set(Object.values(weightMap))].map((name) => {
    if (typeof name === 'string' && isPlainName(name)) return name;
    throw damaged(index, `${show(name)} is not the name of a file in the same folder`);
  });
  const files: FileSource[] = [];
  const headers = new Map<unknown, ReadonlyMap<string, StoredTensor>>();
  for (const name of names) {
    const shard = await readFile(folder, name, files.length);
    if (!shard) {
      throw new EmbedderError(
        'MODEL_NOT_FOUND',
        `${folder.file(name)} is missing: download the checkpoint again.`,
      );
    }
    files.push(shard.source);
    headers.set(name, shard.tensors);
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [tensor, name] of Object.entries(weightMap)) {
    const stored = headers.get(name)?.get(tensor);
    if (!stored)
      throw damaged(index, `${show(tensor)} should be in ${show(name)}, which does not contain it`);
    tensors.set(tensor, stored);
  }
  return { files, tensors };
}

/** A file and the tensors of its header; undefined if it does not exist. */
async function readFile(
  folder: Folder,
  name: string,
  index: number,
): Promise<{ source: FileSource; tensors: ReadonlyMap<string, StoredTensor> } | undefined> {
  const file = folder.file(name);
  const state = await folder.stateOf(file);
  if (!state) return undefined;
  const tensors = await readHeader(file, state.size, index);
  const real = await realpath(file).catch((error) => {
    throw unreadable(file, error);
  });
  return { source: { path: real, version: state.version }, tensors };
}

async function readHeader(
  file: string,
  size: number,
  index: number,
): Promise<ReadonlyMap<string, StoredTensor>> {
  if (size < 8) throw damaged(file, `it has only ${size} bytes`);
  const handle = await open(file).catch((error) => {
    throw unreadable(file, error);
  });
  try {
    const length = Number((await readBytes(handle, file, 0, 8)).readBigUInt64LE());
    if (length > maxHeaderBytes || length > size - 8) {
      throw damaged(file, `its header should have ${length} bytes, but the file has ${size}`);
    }
    const header = parseHeader(await readBytes(handle, file, 8, length), file);
    return tensorsOf(header, { file, index, start: 8 + length, size });
  } finally {
    await handle.close();
  }
}

async function readBytes(
  handle: FileHandle,
  file: string,
  position: number,
  length: number,
): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position).catch((error) => {
    throw unreadable(file, error);
  });
  if (bytesRead !== length) throw damaged(file, `it ends after ${position + bytesRead} bytes`);
  return buffer;
}

function parseHeader(bytes: Buffer, file: string): Readonly<Record<string, unknown>> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(header)) return header;
  } catch (error) {
    throw new EmbedderError(
      'MODEL_INVALID',
      `${file}: its header is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
  throw damaged(file, 'its header is not a JSON object');
}

function tensorsOf(
  header: Readonly<Record<string, unknown>>,
  { file, index, start, size }: { file: string; index: number; start: number; size: number },
): ReadonlyMap<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (!isObject(entry))
      throw damaged(file, `the header's entry for ${show(name)} is not an object`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (typeof dtype !== 'string') throw damaged(file, `${show(name)} has no dtype`);
    if (!isCounts(shape)) throw damaged(file, `${show(name)} has an invalid shape`);
    if (!isCounts(offsets) || offsets.length !== 2)
      throw damaged(file, `${show(name)} has invalid data_offsets`);
    const [begin, end] = offsets as [number, number];
    const data = size - start;
    if (begin > end || end > data)
      throw damaged(
        file,
        `${show(name)} has invalid data_offsets ${show(offsets)}: the data has ${data} bytes`,
      );
    tensors.set(name, { file: index, offset: start + begin, bytes: end - begin, dtype, shape });
  }
  refuseOverlap(tensors, file);
  return tensors;
}

function refuseOverlap(tensors: ReadonlyMap<string, StoredTensor>, file: string): void {
  const inOrder = [...tensors]
    .filter(([, tensor]) => tensor.bytes > 0)
    .sort(([, a], [, b]) => a.offset - b.offset);
  let end = 0;
  let before = '';
  for (const [name, tensor] of inOrder) {
    if (tensor.offset < end) throw damaged(file, `${show(before)} and ${show(name)} overlap`);
    end = tensor.offset + tensor.bytes;
    before = name;
  }
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function damaged(file: string, what: string): EmbedderError {
  return invalid(file, `${what}; download the checkpoint again`);
}
