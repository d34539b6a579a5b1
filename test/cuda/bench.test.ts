// Runs the GPU benchmark on the emulated device, so that mistakes in its calls are found without a
// GPU.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { bin } from '../support/native_tests';

const library = path.join(bin, 'libemulated_cuda.so');

async function linesOf(...options: string[]): Promise<Record<string, unknown>[]> {
  const args = ['--toy', '--library', library, ...options];
  const { stdout } = await promisify(execFile)(path.join(bin, 'gpu_bench'), args, { cwd: bin });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

it('gpu_bench calls the backend correctly', { timeout: 300_000 }, async () => {
  const lines = await linesOf();
  const of = (kind: string) => lines.filter((line) => line.kind === kind);
  const kinds = ['device', 'linear', 'query', 'model', 'memory', 'attention', 'rows'];
  expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(kinds));
  for (const { name } of of('device')) expect(name).toBe('emulated device, sm_80');
  expect(new Set(of('device').map(({ dtype }) => dtype))).toEqual(new Set(['bf16', 'int8']));
  expect(lines[0]?.kind).toBe('device');

  // The ops that quantize their input in int8 have a line for the product alone, next to that of
  // the whole op.
  const whole = of('linear').filter(({ part }) => part === undefined);
  const products = of('linear').filter(({ part }) => part !== undefined);
  const shape = ({ model, op, dtype, rows, out, in: inner }: Record<string, unknown>) =>
    [model, op, dtype, rows, out, inner].join(' ');
  expect(products.map((line) => `${line.part}: ${shape(line)}`)).toEqual(
    whole
      .filter(({ op, dtype }) => dtype === 'int8' && /^(down|attention_out)$/.test(String(op)))
      .map((line) => `product: ${shape(line)}`),
  );
  expect(products).toHaveLength(4);
});

it('gpu_bench --once prints each case of a profile', { timeout: 300_000 }, async () => {
  const lines = (await linesOf('--once')).filter(({ kind }) => kind !== 'device');
  const linear = (dtype: string) =>
    ['gate_up', 'down', 'query', 'attention_out', 'key_value'].flatMap((op) =>
      [1, 33].map((rows) => ({ section: 'linear', model: 'toy', op, dtype, rows })),
    );
  const rows = (dtype: string) =>
    ['rms_norm', 'gather', 'norm_rope', 'norm_rope_store', 'pool'].map((op) => ({
      ...{ section: 'rows', model: 'toy', op, dtype },
      rows: op === 'pool' ? 3 : 5,
    }));
  const attention = (dtype: string, rows: number, tokens: number) => [
    { section: 'attention', model: 'toy', op: 'attention', dtype, rows, tokens },
  ];
  const cases = [
    ...[...linear('bf16'), ...linear('int8')],
    ...[...attention('bf16', 70, 70), ...attention('int8', 60, 30)],
    ...[...rows('bf16'), ...rows('int8')],
  ];
  expect(lines).toEqual(
    cases.map((each, i) => ({ kind: 'once', case: i + 1, ...each, profiled: false })),
  );

  const some = await linesOf('--once', '--sections', 'model,rows', '--dtypes', 'int8');
  expect(some.filter(({ kind }) => kind === 'once')).toHaveLength(5);
});
