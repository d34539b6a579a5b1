import { describe, expect, it } from 'vitest';
import { checkCountOptions, checkEmbedOptions } from '../../lib/options/embed';
import { Inputs } from '../../lib/options/inputs';
import { checkFolder, checkLoadOptions } from '../../lib/options/load';

const prompts = new Map([
  ['query', 'Instruct: find\nQuery:'],
  ['document', ''],
]);
const embedOptions = (options?: unknown) => checkEmbedOptions(options, prompts, 256);
const taken = (inputs: Inputs) =>
  Array.from({ length: inputs.length }, (_, index) => inputs.take(index));

describe('inputs', () => {
  it('are a text, token ids, or an array of either', () => {
    expect(taken(new Inputs('text'))).toEqual(['text']);
    expect(taken(new Inputs(''))).toEqual(['']);
    expect(taken(new Inputs([]))).toEqual([]);
    expect(taken(new Inputs(Uint32Array.of(1, 2)))).toEqual([Uint32Array.of(1, 2)]);
    expect(taken(new Inputs(['text', Uint32Array.of(1)]))).toEqual(['text', Uint32Array.of(1)]);
    expect(new Inputs('text').isSingle).toBe(true);
    expect(new Inputs(['text']).isSingle).toBe(false);
  });

  it('are copied, so later changes by the caller have no effect', () => {
    const ids = Uint32Array.of(1, 2);
    const list = ['one', ids];
    const inputs = new Inputs(list);
    list.push('two');
    list[0] = 'changed';
    const copies = taken(inputs);
    ids[0] = 9;
    expect(copies).toEqual(['one', Uint32Array.of(1, 2)]);
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
    expect(() => taken(new Inputs(input))).toThrow(TypeError);
    expect(() => taken(new Inputs(input))).toThrow(message);
  });

  it('without token ids are a RangeError', () => {
    expect(() => taken(new Inputs(new Uint32Array(0)))).toThrow(
      new RangeError('input contains no token ids: a vector needs at least one.'),
    );
    expect(() => taken(new Inputs(['', new Uint32Array(0)]))).toThrow(/^input\[1\]/);
    const detached = new Uint32Array(4);
    structuredClone(detached, { transfer: [detached.buffer] });
    expect(() => taken(new Inputs(detached))).toThrow(RangeError);
  });

  // Copying them would end the process.
  it('that are too many are a RangeError', () => {
    expect(() => new Inputs(new Array(2 ** 32 - 1))).toThrow(
      new RangeError('input has 4294967295 elements: pass at most 16777216 in one call.'),
    );
  });
});

describe('embed options', () => {
  it('have defaults', () => {
    const defaults = {
      prefix: undefined,
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
    const prefix = (options: object) => embedOptions(options).prefix?.text;
    expect(prefix({ instruction: 'find it' })).toBe('Instruct: find it\nQuery:');
    expect(prefix({ instruction: '' })).toBe('Instruct: \nQuery:');
    expect(prefix({ prompt: 'query' })).toBe('Instruct: find\nQuery:');
    expect(prefix({ prompt: 'document' })).toBe('');
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
    [{ signal: { aborted: false, addEventListener() {} } }, /signal must be an AbortSignal/],
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

  it.each([
    ['an unknown name', { ['x'.repeat(1e7)]: 1 }],
    ['an unknown value', { truncate: 'x'.repeat(1e7) }],
    ['an unknown prompt', { prompt: 'x'.repeat(1e7) }],
    ['a class', { signal: { constructor: { name: 'x'.repeat(1e7) } } }],
  ])('%s of ten million characters is quoted in part, at once', (_, options) => {
    const begin = performance.now();
    expect(() => embedOptions(options)).toThrow(/[^x]x{59,60}\.\.\./);
    expect(performance.now() - begin).toBeLessThan(1_000);
  });

  it('characters that must be escaped make a message no longer', () => {
    const options = { truncate: '\0'.repeat(1_000) };
    expect(() => embedOptions(options)).toThrow(/^truncate "[\\u0]{55,60}\.\.\. is unknown/);
  });

  it('an unknown prompt: the message lists at most eight of the model’s', () => {
    const prompts = new Map(Array.from({ length: 100_000 }, (_, i) => [`name ${i}`, '']));
    expect(() => checkEmbedOptions({ prompt: 'none' }, prompts, 256)).toThrow(
      /this model has "name 0", .*"name 7", \.\.\.; or/,
    );
  });

  it('of countTokens are only those that affect the count', () => {
    expect(checkCountOptions({ prompt: 'query', specialTokens: 'text' }, prompts)).toEqual({
      prefix: { text: 'Instruct: find\nQuery:', option: 'prompt' },
      specialTokens: 'text',
      signal: undefined,
    });
    expect(() => checkCountOptions({ dimensions: 64 }, prompts)).toThrow(TypeError);
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
    for (const device of ['cuda:3', 'cuda:15'])
      expect(checkLoadOptions({ device }).device).toBe(device);
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
