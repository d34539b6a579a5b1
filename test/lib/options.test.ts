import { describe, expect, it } from 'vitest';
import { checkCountOptions, checkEmbedOptions } from '../../lib/options/embed';
import { checkInputs } from '../../lib/options/inputs';
import { checkFolder, checkLoadOptions } from '../../lib/options/load';

const prompts = new Map([
  ['query', 'Instruct: find\nQuery:'],
  ['document', ''],
]);
const embedOptions = (options?: unknown, inputs: readonly (string | Uint32Array)[] = ['text']) =>
  checkEmbedOptions(options, inputs, prompts, 256);

describe('inputs', () => {
  it('are a text, token ids, or an array of either', () => {
    expect(checkInputs('text')).toEqual(['text']);
    expect(checkInputs('')).toEqual(['']);
    expect(checkInputs([])).toEqual([]);
    expect(checkInputs(Uint32Array.of(1, 2))).toEqual([Uint32Array.of(1, 2)]);
    expect(checkInputs(['text', Uint32Array.of(1)])).toEqual(['text', Uint32Array.of(1)]);
  });

  it('are copied, so later changes by the caller have no effect', () => {
    const ids = Uint32Array.of(1, 2);
    const texts = ['one'];
    const copies = [checkInputs(ids), checkInputs(texts)];
    ids[0] = 9;
    texts.push('two');
    expect(copies).toEqual([[Uint32Array.of(1, 2)], ['one']]);
  });

  it.each([
    [undefined, 'input must be a string or a Uint32Array of token ids, not undefined.'],
    [null, 'not null'],
    [5, 'not number'],
    [{}, 'not Object'],
    [Object.create(null), 'not an object'],
    [new Float32Array(2), 'not Float32Array'],
    [new Int32Array(2), 'not Int32Array'],
    [['text', 5], 'input[1] must be a string'],
    [[['text']], 'input[0] must be a string or a Uint32Array of token ids, not Array.'],
    // biome-ignore lint/suspicious/noSparseArray: a hole is an input like any other
    [['text', , 'text'], 'input[1] must be'],
  ])('%j is a TypeError', (input, message) => {
    expect(() => checkInputs(input)).toThrow(TypeError);
    expect(() => checkInputs(input)).toThrow(message);
  });

  it('without token ids are a RangeError', () => {
    expect(() => checkInputs(new Uint32Array(0))).toThrow(
      new RangeError('input contains no token ids: a vector needs at least one.'),
    );
    expect(() => checkInputs(['', new Uint32Array(0)])).toThrow(/^input\[1\]/);
    const detached = new Uint32Array(4);
    structuredClone(detached, { transfer: [detached.buffer] });
    expect(() => checkInputs(detached)).toThrow(RangeError);
  });
});

describe('embed options', () => {
  it('have defaults', () => {
    const defaults = {
      prefix: '',
      specialTokens: 'parse',
      truncate: 'error',
      dimensions: 256,
      signal: undefined,
    };
    expect(embedOptions()).toEqual(defaults);
    expect(embedOptions({ dimensions: undefined, prompt: undefined, signal: undefined })).toEqual(
      defaults,
    );
  });

  it('put an instruction or a prompt of the model before the text', () => {
    expect(embedOptions({ instruction: 'find it' }).prefix).toBe('Instruct: find it\nQuery:');
    expect(embedOptions({ instruction: '' }).prefix).toBe('Instruct: \nQuery:');
    expect(embedOptions({ prompt: 'query' }).prefix).toBe('Instruct: find\nQuery:');
    expect(embedOptions({ prompt: 'document' }).prefix).toBe('');
  });

  it.each([
    [null, /options must be an object, not null/],
    ['query', /not string/],
    [[], /not Array/],
    [0, /not number/],
    [{ instrucion: 'x' }, /Unknown option "instrucion": did you mean "instruction"\?/],
    [{ Dimension: 32 }, /did you mean "dimensions"/],
    [{ specialtokens: 'text' }, /did you mean "specialTokens"/],
    [{ instruction: 5 }, /instruction must be a string, not number/],
    [{ instruction: null }, /instruction must be a string, not null/],
    [{ prompt: 5 }, /prompt must be a string/],
    [{ prompt: 'query', instruction: 'x' }, /mutually exclusive/],
    [{ dimensions: '64' }, /dimensions must be a number, not string/],
    [{ dimensions: null }, /dimensions must be a number, not null/],
    [{ truncate: true }, /truncate must be a string/],
    [{ specialTokens: 1 }, /specialTokens must be a string/],
    [{ signal: {} }, /signal must be an AbortSignal, not Object/],
    [{ signal: null }, /not null/],
    [{ signal: new AbortController() }, /not AbortController/],
  ])('%j are a TypeError', (options, message) => {
    expect(() => embedOptions(options)).toThrow(TypeError);
    expect(() => embedOptions(options)).toThrow(message);
  });

  it.each([
    [{ dimensions: 31 }, 'dimensions is 31: it must be an integer from 32 to 256.'],
    [{ dimensions: 257 }, 'from 32 to 256'],
    [{ dimensions: 64.5 }, 'an integer from'],
    [{ dimensions: Number.NaN }, 'an integer from'],
    [{ dimensions: Number.POSITIVE_INFINITY }, 'an integer from'],
    [{ dimensions: -64 }, 'from 32'],
    [{ truncate: 'start' }, 'truncate "start" is unknown: use "error", "end".'],
    [{ specialTokens: 'drop' }, 'use "parse", "text", "error"'],
    [
      { prompt: 'Query' },
      'prompt "Query" is unknown: this model has "query", "document"; or use instruction.',
    ],
    [{ prompt: '__proto__' }, 'is unknown'],
  ])('%j are a RangeError', (options, message) => {
    expect(() => embedOptions(options)).toThrow(RangeError);
    expect(() => embedOptions(options)).toThrow(message);
  });

  it('refuse instruction and prompt for token ids', () => {
    const ids = Uint32Array.of(1);
    for (const options of [{ instruction: 'x' }, { prompt: 'query' }, { prompt: 'document' }]) {
      expect(() => embedOptions(options, ['text', ids])).toThrow(TypeError);
    }
    expect(embedOptions({ truncate: 'end' }, [ids]).truncate).toBe('end');
  });

  it('of countTokens are only those that affect the count', () => {
    expect(
      checkCountOptions({ prompt: 'query', specialTokens: 'text' }, ['text'], prompts),
    ).toEqual({
      prefix: 'Instruct: find\nQuery:',
      specialTokens: 'text',
      signal: undefined,
    });
    expect(() => checkCountOptions({ dimensions: 64 }, ['text'], prompts)).toThrow(TypeError);
  });
});

describe('load options', () => {
  it('have defaults', () => {
    expect(checkLoadOptions(undefined)).toEqual({
      device: 'auto',
      precision: 'auto',
      threads: 0,
      maxBatchTokens: undefined,
      batchInvariant: false,
      signal: undefined,
      onProgress: undefined,
    });
    expect(checkLoadOptions({ device: 'cuda:3' }).device).toBe('cuda:3');
  });

  it.each([
    [{ device: 5 }, /device must be a string/],
    [{ precision: 32 }, /precision must be a string/],
    [{ threads: '2' }, /threads must be a number/],
    [{ maxBatchTokens: null }, /maxBatchTokens must be a number/],
    [{ batchInvariant: 1 }, /batchInvariant must be a boolean/],
    [{ onProgress: true }, /onProgress must be a function/],
    [{ signal: 'now' }, /signal must be/],
    [{ thread: 2 }, /did you mean "threads"/],
    [{ maxBatchToken: 2 }, /did you mean "maxBatchTokens"/],
    [{ dtype: 'f32' }, /Known options: device, precision/],
  ])('%j are a TypeError', (options, message) => {
    expect(() => checkLoadOptions(options)).toThrow(TypeError);
    expect(() => checkLoadOptions(options)).toThrow(message);
  });

  it.each([
    [{ device: 'gpu' }, /device "gpu" is unknown/],
    [{ device: 'cuda:x' }, /is unknown/],
    [{ device: 'cpu:0' }, /is unknown/],
    [
      { precision: 'fp16' },
      /precision "fp16" is unknown: use "auto", "f32", "bf16", "f16", "int8"/,
    ],
    [{ threads: 0 }, /threads is 0/],
    [{ threads: 1.5 }, /an integer from/],
    [{ maxBatchTokens: 0 }, /from 1 to 1048576/],
  ])('%j are a RangeError', (options, message) => {
    expect(() => checkLoadOptions(options)).toThrow(RangeError);
    expect(() => checkLoadOptions(options)).toThrow(message);
  });

  it('need a folder', () => {
    expect(checkFolder('models/x')).toBe('models/x');
    for (const folder of [undefined, null, 5, new URL('file:///models')])
      expect(() => checkFolder(folder)).toThrow(TypeError);
    expect(() => checkFolder('')).toThrow(RangeError);
  });
});
