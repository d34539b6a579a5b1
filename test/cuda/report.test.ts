// Runs scripts/gpu/report.py on the results of a GPU check: complete, empty, truncated, damaged.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary_folder';

type Files = Record<string, string | Buffer>;
type Line = Record<string, unknown>;

const script = path.join(__dirname, '..', '..', 'scripts', 'gpu', 'report.py');
const hasPython = spawnSync('python3', ['--version']).status === 0;

beforeEach((context) => context.skip(!hasPython, 'python3 is not installed'));

/** Runs the report on the files. Fails if a part of the report has failed. */
function report(files: Files) {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files))
    writeFileSync(path.join(folder, name), content);
  const { status, stderr } = spawnSync('python3', [script, folder], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(readdirSync(folder).filter((name) => /^report\.\w+\.\d+$/.test(name))).toEqual([]);
  const text = readFileSync(path.join(folder, 'report.md'), 'utf8');
  expect(text).not.toMatch(/The report part .* failed/);
  return { text, data: JSON.parse(readFileSync(path.join(folder, 'report.json'), 'utf8')) };
}

const jsonl = (lines: Line[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const outcome = (step: string, result: string, from: string, to: string) =>
  `${step}\t${result}\t60\t2026/11/27 ${from}\t2026/11/27 ${to}\n`;
const gpu = (name: string) => `gpu=${name}, 580.159.04, 143771 MiB, 700.00 W, 1980 MHz\n`;
const row = (text: string, ...cells: string[]) =>
  text.split('\n').find((line) => cells.every((cell) => line.includes(cell))) ?? '';

const hopper = { kind: 'device', name: 'NVIDIA H200, sm_90a', dtype: 'bf16' };
const portable = { kind: 'device', name: 'NVIDIA H200, sm_90', dtype: 'bf16' };
const model = '8B';

// Microseconds for 8,192 rows in bf16. The products of a layer take 2,000 us together.
const products = { gate_up: 1000, down: 500, query: 200, attention_out: 200, key_value: 100 };
const shapes = {
  gate_up: [24576, 4096],
  down: [4096, 12288],
  query: [4096, 4096],
  attention_out: [4096, 4096],
  key_value: [2048, 4096],
};

type Op = keyof typeof shapes;

function linear(
  op: Op,
  dtype: string,
  rows: number,
  us: number,
  tflops: number,
  more: Line = {},
): Line {
  const [out, width] = shapes[op];
  return {
    kind: 'linear',
    model,
    op,
    dtype,
    rows,
    out,
    in: width,
    seconds: us * 1e-6,
    tflops,
    ...more,
  };
}

const attention = (
  dtype: string,
  tokens: number,
  us: number,
  tflops: number,
  more: Line = {},
): Line => {
  const texts = Math.max(1, 8192 / tokens);
  return {
    kind: 'attention',
    heads: '32/8',
    dtype,
    tokens,
    texts,
    seconds: us * 1e-6,
    tflops,
    ...more,
  };
};

const texts = (dtype: string, lengths: string, seconds: number, more: Line = {}): Line => ({
  ...{ kind: 'model', model, dtype, lengths, tokens_per_second: 8192 / seconds, ...more },
});

function timings(): Line[] {
  const ops = Object.entries(products) as [Op, number][];
  return [
    hopper,
    ...[2048, 8192].flatMap((rows) => [
      ...ops.map(([op, us]) =>
        linear(op, 'bf16', rows, (us * rows) / 8192, op === 'down' ? 710 : 720),
      ),
      ...ops.map(([op, us]) =>
        linear(op, 'int8', rows, (us * rows) / 8192 / 1.6, op === 'down' ? 900 : 1200),
      ),
    ]),
    linear('down', 'int8', 8192, 250, 2000, { part: 'product' }),
    ...['rms_norm', 'norm_rope', 'norm_rope_store'].map((op, i) => ({
      ...{
        kind: 'rows',
        model,
        op,
        dtype: 'bf16',
        rows: 8192,
        seconds: [20e-6, 30e-6, 10e-6][i],
        gb_per_second: 3000,
      },
    })),
    attention('bf16', 512, 120, 300),
    attention('bf16', 2048, 320, 460),
    attention('bf16', 4096, 500, 600),
    texts('bf16', '512', 0.088, { texts: 16, tokens: 8192, seconds: 0.088 }),
    texts('bf16', '2048', 0.1, { texts: 4, tokens: 8192, seconds: 0.1 }),
    texts('int8', '2048', 0.08, { texts: 4, tokens: 8192, seconds: 0.08 }),
    {
      kind: 'query',
      model,
      dtype: 'bf16',
      tokens: 32,
      invariant: false,
      seconds: 0.004,
      weight_bytes: 13.9e9,
    },
    {
      kind: 'query',
      model,
      dtype: 'bf16',
      tokens: 32,
      invariant: true,
      seconds: 0.005,
      weight_bytes: 13.9e9,
    },
    {
      kind: 'memory',
      model,
      dtype: 'bf16',
      load_seconds: 3,
      device_bytes: 16.75e9,
      longest: 32768,
    },
    { kind: 'stopped', seconds: 100 },
  ];
}

const clocksHeader =
  'timestamp, clocks.current.sm [MHz], clocks.current.memory [MHz], power.draw [W], ' +
  'temperature.gpu, clocks_event_reasons.active, utilization.gpu [%]\n';
const sample = (
  time: string,
  mhz: number | string,
  watt: string,
  reasons: number,
  busy: number | string,
) =>
  `2026/11/27 ${time}, ${mhz}${mhz === '[N/A]' ? '' : ' MHz'}, 3201 MHz, ${watt}, 66, ` +
  `0x${reasons.toString(16).padStart(16, '0')}, ${busy}${busy === '[N/A]' ? '' : ' %'}\n`;

const metrics = {
  'gpu__time_duration.sum': ['us', '12.5', '600'],
  'sm__inst_executed_pipe_tensor_op_gmma.avg.pct_of_peak_sustained_active': ['%', '0', '81.5'],
  'sm__inst_executed_pipe_tensor_op_hmma.avg.pct_of_peak_sustained_active': ['%', '0', '0'],
  'sm__throughput.avg.pct_of_peak_sustained_elapsed': ['%', '40', '82.25'],
  'gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed': ['%', '90', '12'],
  'lts__t_bytes.sum': ['Gbyte', '1,000.5', '3'],
  'smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio': ['inst', '3', '1'],
  'smsp__average_warps_issue_stalled_gmma_per_issue_active.ratio': ['inst', '0', '3'],
  'smsp__average_warps_issue_stalled_selected_per_issue_active.ratio': ['inst', '1', '1'],
};
const units = Object.values(metrics).map(([unit]) => unit ?? '');
const kernels = [
  'void qwen3::cuda::(anonymous namespace)::store_kernel<float, float>(const float *, float *)',
  'void qwen3::cuda::<unnamed>::quantize_kernel<float>(float *, unsigned int)',
  'void qwen3::cuda::(anonymous namespace)::wgmma_gemm<signed char, 2, (bool)1>(TensorMap, Result)',
];
const quoted = (values: string[]) => `${values.map((value) => `"${value}"`).join(',')}\n`;
const profile = [
  '==PROF== Connected to process 7 (/gpu_bench)\n{"kind":"device","name":"NVIDIA H200, sm_90a"}\n',
  quoted([
    'ID',
    'Process ID',
    'Kernel Name',
    'Block Size',
    'Grid Size',
    'CC',
    ...Object.keys(metrics),
  ]),
  quoted(['', '', '', '', '', '', ...units]),
  ...kernels.map((name, i) =>
    quoted([
      `${i}`,
      '7',
      name,
      '(384, 1, 1)',
      '(132, 1, 1)',
      '9.0',
      ...Object.values(metrics).map((v) => (i > 0 ? (v[i] ?? '') : '1')),
    ]),
  ),
].join('');

const buildInfo = 'date=2026-11-27T20:00Z\ncommit=abc123\ncuda=13.0\n';

function complete(): Files {
  return {
    'machine.txt': `${buildInfo}${gpu('NVIDIA H200')}processors=16\n`,
    'build.outcome': outcome('build', 'passed', '20:55:00', '20:57:00'),
    'ops.outcome': outcome('ops', 'passed', '20:57:00', '20:58:00'),
    'ops.jsonl': jsonl([
      { name: 'linear', ok: true },
      { name: 'attention', ok: true },
    ]),
    'goldens.outcome': outcome('goldens', 'passed', '20:58:00', '20:59:00'),
    'goldens.jsonl': jsonl([
      { name: 'random bf16', ok: true, figure: 1.5e-4, limit: 2e-4, cases: 12 },
    ]),
    'timings.outcome': outcome('timings', 'passed', '21:00:00', '21:02:00'),
    'timings.jsonl': jsonl(timings()),
    'timings-portable.outcome': outcome('timings-portable', 'passed', '21:03:00', '21:04:00'),
    'timings-portable.jsonl': jsonl([
      portable,
      linear('gate_up', 'bf16', 8192, 2000, 360),
      linear('down', 'int8', 8192, 1, 9999, { part: 'product' }),
      attention('bf16', 4096, 1500, 200),
      texts('bf16', '512', 0.22),
    ]),
    'tiles.outcome': outcome('tiles', 'passed', '21:05:00', '21:06:00'),
    'tiles-wide.jsonl': jsonl([
      hopper,
      linear('gate_up', 'bf16', 8192, 900, 0.8),
      linear('down', 'bf16', 8192, 520, 0.8),
      linear('down', 'int8', 8192, 240, 0.8, { part: 'product' }),
    ]),
    'tiles-narrow.jsonl': jsonl([
      hopper,
      linear('gate_up', 'bf16', 8192, 950, 0.8),
      linear('down', 'bf16', 8192, 495, 0.8),
      linear('down', 'int8', 8192, 260, 0.8, { part: 'product' }),
    ]),
    'profile.outcome': outcome('profile', 'passed', '21:07:00', '21:08:00'),
    'profile.csv': profile,
    'profile.jsonl': jsonl([
      linear('down', 'int8', 8192, 1, 1, { kind: 'once', case: 1, section: 'linear' }),
    ]),
    'peer.jsonl': jsonl([
      { kind: 'peer', torch: '2.11.0', cuda: '13.0', gpu: 'NVIDIA H200' },
      ...Object.keys(products)
        .map((op) => ({ kind: 'linear', model, op, dtype: 'bf16', rows: 8192, tflops: 740 }))
        .map((line) => ({ ...line, seconds: 1e-3 })),
      attention('bf16', 4096, 480, 625, {
        variant: 'cudnn, grouped',
        tried: { 'cudnn, grouped': 480e-6, 'flash, grouped': 6e-4 },
      }),
      texts('bf16', '512', 0.15, { batch: 16, tried: { '16 texts': 54613, '4 texts': 40000 } }),
      texts('bf16', '2048', 0.11, { batch: 4, tried: { '4 texts': 74472 } }),
    ]),
    'clocks.csv':
      clocksHeader +
      sample('20:59:59.900', 210, '90.00 W', 0x1, 0) +
      sample('21:00:00.100', 1500, '690.50 W', 0x4, 99) +
      sample('21:00:30.100', 1500, '[N/A]', 0x44, 98) +
      sample('21:01:00.100', 1600, '600.00 W', 0x0, '[N/A]') +
      sample('21:01:10.100', 345, '100.00 W', 0x1, '[N/A]') +
      sample('21:01:20.100', 345, '100.00 W', 0x0, 0) +
      sample('21:02:00.700', 1400, '650.00 W', 0x0, 97) +
      sample('21:03:30.000', 1980, '400.00 W', 0x0, 97) +
      sample('21:07:30.000', '[N/A]', '400.00 W', 0x0, 97) +
      sample('21:07:31.000', 1700, '400.00 W', 0x0, 97) +
      '2026/11/27 21:01:01.100, 90 MHz, 3201 MHz, 10.00 W, 66, 0x0000000000000000, 9',
  };
}

const target = (data: { targets: Line[] }, what: string) =>
  data.targets.find((each) => each.what === what);

describe('a complete folder', () => {
  it('begins with the steps that ran, the kernels and the GPU', () => {
    const { text, data } = report(complete());
    const [first] = text.split('\n').slice(2);
    expect(first).toContain('All steps that ran passed** (7 of 13)');
    expect(first).toContain(
      "Hopper's (sm_90a). GPU: NVIDIA H200, driver 580.159.04, CUDA 13.0, commit abc123",
    );
    expect(text).not.toContain('WARNING');
    expect(data.verdict).toMatchObject({ passed: true, failed: [], kernels: ['Hopper'] });
    expect(data.verdict.not_run.join(' ')).toBe(
      'conformance ops-portable ops-watchdog peer addon sanitizer',
    );
    expect(row(text, '| ops |')).toContain('2 passed, 0 failed');
  });

  it('compares figures with targets and with torch', () => {
    const { data } = report(complete());
    expect(target(data, 'GEMM bf16, slowest 8B shape, 8,192 rows')).toMatchObject({
      figure: 710,
      met: true,
    });
    expect(target(data, 'GEMM int8, slowest 8B shape, 8,192 rows')).toMatchObject({
      figure: 900,
      met: false,
    });
    expect(target(data, 'attention, 32/8 heads, 32k tokens')).toMatchObject({
      figure: null,
      met: null,
    });
    expect(target(data, 'GEMM bf16 / torch, worst 8B shape, 8,192 rows')?.figure).toBeCloseTo(
      710 / 740,
      9,
    );
    expect(target(data, '8B int8 / bf16, 2k-token texts')?.figure).toBeCloseTo(1.25, 9);
    expect(target(data, '32-token query, 8B int8, time / weight-read floor')?.figure).toBeNull();
    const floor = target(data, '32-token query, 8B bf16, time / weight-read floor');
    expect(floor?.figure).toBeCloseTo(0.004 / (13.9e9 / (0.9 * 4.8e12)), 9);
    expect(
      target(data, 'bf16 / transformers at its best batch size, worst, 2k and more tokens')?.figure,
    ).toBeCloseTo(1.1, 9);
    const own = data.attention.find((line: Line) => line.tokens === 4096);
    expect(own).toMatchObject({ variant: 'cudnn, grouped', torch_tflops: 625, over_torch: 0.96 });
  });

  it('reports clocks of the samples while the GPU was busy, and the share of the peak', () => {
    const { text, data } = report(complete());
    const [clocks, second, last] = data.clocks;
    expect(clocks).toMatchObject({
      step: 'timings',
      samples: 4,
      sm_mhz: 1500,
      lowest_sm_mhz: 1400,
      limited: 0.5,
    });
    expect(clocks).toMatchObject({ power_w: 650, highest_power_w: 690.5, highest_temperature: 66 });
    expect(clocks.reasons).toEqual({ SwPowerCap: 0.5, HwThermalSlowdown: 0.25 });
    expect(second).toMatchObject({
      step: 'timings-portable',
      samples: 1,
      sm_mhz: 1980,
      limited: 0,
    });
    expect(last).toMatchObject({ step: 'profile', samples: 2, sm_mhz: 1700 });
    const share = (op: string, dtype: string) =>
      data.linear.find((line: Line) => line.op === op && line.dtype === dtype && line.rows === 8192)
        .share_of_peak;
    expect(share('gate_up', 'bf16')).toBeCloseTo(720 / ((132 * 4096 * 1500) / 1e6), 9);
    expect(share('gate_up', 'int8')).toBeCloseTo(1200 / ((132 * 8192 * 1500) / 1e6), 9);
    expect(data.attention[0].share_of_peak).toBeCloseTo(300 / 811.008, 9);
    expect(row(text, '| timings |', '1,500')).toContain(
      'SwPowerCap 50.0 %, HwThermalSlowdown 25.0 %',
    );
  });

  it('computes the share of the peak with the clock of the section', () => {
    const section = {
      kind: 'section',
      section: 'linear',
      began: '2026/11/27 21:00:10',
      ended: '2026/11/27 21:00:20',
    };
    const files: Files = { ...complete(), 'timings.jsonl': jsonl([...timings(), section]) };
    const clocks =
      clocksHeader +
      sample('21:00:15.250', 1200, '690.00 W', 4, 100) +
      sample('21:01:00.250', 1900, '90.00 W', 0, 9);
    const { data } = report({ ...files, 'clocks.csv': clocks });
    const gate = data.linear.find(
      (line: Line) => line.op === 'gate_up' && line.dtype === 'bf16' && line.rows === 8192,
    );
    expect(gate.share_of_peak).toBeCloseTo(720 / ((132 * 4096 * 1200) / 1e6), 9);
  });

  it('uses the last line of a case that was timed twice', () => {
    const again = jsonl([...timings(), linear('gate_up', 'bf16', 8192, 900, 800)]);
    const { data } = report({ ...complete(), 'timings.jsonl': again });
    const gates = data.linear.filter(
      (line: Line) => line.op === 'gate_up' && line.dtype === 'bf16',
    );
    expect(gates.map(({ rows, tflops }: Line) => [rows, tflops])).toEqual([
      [2048, 720],
      [8192, 800],
    ]);
  });

  it('compares kernels, tiles and quantization', () => {
    const { text, data } = report(complete());
    expect(data.against_portable.map((line: Line) => [line.kind, line.portable])).toEqual([
      ['linear', 360],
      ['attention', 200],
      ['model', 8192 / 0.22],
    ]);
    expect(data.against_portable[0].gain).toBe(2);
    expect(data.against_portable[2].gain).toBeCloseTo(2.5, 9);
    const tiles = Object.fromEntries(
      data.tiles.map((line: Line) => [`${line.op} ${line.dtype}`, line]),
    );
    expect(tiles['gate_up bf16']).toMatchObject({ faster: 'wide', slow: true });
    expect(tiles['gate_up bf16'].auto_over_better).toBeCloseTo(1000 / 900, 9);
    expect(tiles['down bf16']).toMatchObject({ faster: 'narrow', slow: false });
    expect(tiles['down int8']).toMatchObject({ part: 'product', faster: 'wide', slow: true });
    expect(tiles['down int8'].auto_seconds).toBeCloseTo(250e-6, 9);
    expect(text).toContain('2 of 3 cases take over 3 % longer');
    expect(data.quantization).toHaveLength(1);
    expect(data.quantization[0].quantization_seconds).toBeCloseTo(62.5e-6, 9);
    expect(data.quantization[0].share).toBeCloseTo(0.2, 9);
    expect(data.linear.every((line: Line) => !('part' in line))).toBe(true);
  });

  it('computes the time of a layer from its ops', () => {
    const { text, data } = report(complete());
    const layer = data.layers.find((line: Line) => line.dtype === 'bf16' && line.tokens === 512);
    expect(layer.layer_seconds).toBeCloseTo(2200e-6, 9);
    expect(layer.layers_seconds).toBeCloseTo(36 * 2200e-6, 9);
    expect(layer.model_seconds).toBeCloseTo(0.088, 9);
    expect(layer.rest_share).toBeCloseTo(0.1, 9);
    expect(layer.ops.norms).toBeCloseTo(40e-6, 9);
    // The norms were not timed in int8, so there is no sum.
    expect(data.layers.find((line: Line) => line.dtype === 'int8')).toMatchObject({
      layer_seconds: null,
    });
    expect(row(text, '| 8B bf16 | 512 |')).toMatch(
      /1,000 \(45\.5 %\).*2,200 \| 79\.2 \| 88 \| 10\.0 %/,
    );
  });

  it('shows profiled kernels with their cases', () => {
    const { text, data } = report(complete());
    const [quantize, gemm] = data.profile;
    expect(quantize).toMatchObject({ kernel: 'quantize_kernel', tensor: 0, dram: 90 });
    expect(quantize.case).toEqual(gemm.case);
    expect(quantize.seconds).toBeCloseTo(12.5e-6, 12);
    expect(gemm).toMatchObject({
      kernel: 'wgmma_gemm',
      grid: '(132, 1, 1)',
      tensor: 81.5,
      sm: 82.25,
      dram: 12,
    });
    expect(gemm.case).toMatchObject({ op: 'down', dtype: 'int8', rows: 8192 });
    expect(gemm.l2_tb_per_second).toBeCloseTo(5, 9);
    expect(gemm.stalls).toEqual({ gmma: 0.6, long_scoreboard: 0.2 });
    expect(row(text, 'wgmma_gemm |')).toContain(
      '| 8B down int8 8192 rows | wgmma_gemm | (132, 1, 1) | 600 | 81.5 |',
    );
  });
});

describe('an incomplete folder', () => {
  it('may be empty', () => {
    const { text, data } = report({});
    expect(data.verdict).toMatchObject({ passed: false, ran: 0, kernels: [] });
    expect(text).toContain('No step has finished');
    expect(data.targets.every((each: Line) => each.met === null)).toBe(true);
  });

  it.each([0.1, 0.5, 0.9])('may have files truncated to %d of their length', (share) => {
    const cut = (content: string | Buffer) => content.slice(0, content.length * share);
    const { data } = report(
      Object.fromEntries(Object.entries(complete()).map(([name, all]) => [name, cut(all)])),
    );
    const left = String(cut(jsonl(timings())));
    const timed = left
      .split('\n')
      .filter((line) => /"kind":"linear".*\}$/.test(line) && !line.includes('"part"'));
    expect(data.linear).toHaveLength(timed.length);
    expect(data.verdict.ran).toBe(share < 0.5 ? 0 : 7);
  });

  it('may have garbage in every file', () => {
    for (const seed of [1, 2, 3]) {
      let state = seed;
      const bytes = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state >>> 24;
      };
      const files = Object.keys(complete()).map((name) => [
        name,
        Buffer.from(Array.from({ length: 3000 }, bytes)),
      ]);
      const { data } = report(Object.fromEntries(files));
      expect(data.verdict).toMatchObject({ passed: false, ran: 0 });
      expect(data.linear).toEqual([]);
    }
  });

  it('ignores and counts malformed lines', () => {
    const good = linear('down', 'bf16', 8192, 500, 710);
    const wrong = [
      ...[
        'linear',
        'attention',
        'rows',
        'model',
        'query',
        'memory',
        'device',
        'peer',
        'once',
        7,
        null,
      ].map((kind) => JSON.stringify({ kind })),
      JSON.stringify({ ...good, seconds: '0.0005' }),
      JSON.stringify({ ...good, seconds: 0 }),
      JSON.stringify({ ...good, rows: true }),
      JSON.stringify({ ...good, op: ['down'] }),
      JSON.stringify({ ...good, in: null }),
      JSON.stringify(good).replace(':710', ':NaN'),
      JSON.stringify(good).replace(':710', ':1e999'),
      JSON.stringify(good).replace(':710', `:${'9'.repeat(5000)}`),
      ...['[1]', '7', 'null', '"linear"', '{', '['.repeat(100_000)],
    ];
    const lines = `${wrong.join('\n')}\n${JSON.stringify(good)}\n`;
    const names = ['timings', 'timings-portable', 'tiles-wide', 'tiles-narrow', 'peer', 'profile'];
    const { text, data } = report({
      ...complete(),
      ...Object.fromEntries(names.map((name) => [`${name}.jsonl`, lines])),
      'ops.jsonl':
        '{"name":"sum","ok":"yes"}\n{"name":3,"ok":true}\n[]\n' +
        '{"name":"add","ok":true,"figure":"x"}\n',
      'goldens.jsonl':
        '{"name":"\\ud800 | cos","ok":true,"figure":1e999,"limit":[1],"cases":{"a":1}}\n',
      'ops.outcome': `ops\tpassed\t${'9'.repeat(5000)}\t2026/13/45 00:00:00\tsoon\n`,
    });
    expect(data.linear).toHaveLength(1);
    expect(data.left_out.lines).toEqual(
      Object.fromEntries(names.map((name) => [`${name}.jsonl`, wrong.length])),
    );
    expect(text).toContain(`timings.jsonl: ${wrong.length} lines`);
    expect(data.steps.find((step: Line) => step.name === 'ops')).toMatchObject({
      passed: 1,
      failed: [],
      began: null,
    });
  });
});

describe('steps', () => {
  it('may have failed, been stopped or skipped, or still run', () => {
    const failing = Array.from({ length: 25 }, (_, i) => ({
      name: `check ${i}`,
      ok: i < 2,
      message: `off by ${i}`,
    }));
    const { text, data } = report({
      ...complete(),
      'ops.outcome': outcome('ops', 'failed', '20:57:00', '20:58:00'),
      'ops.jsonl': jsonl(failing),
      'ops.log': 'begins: check 24\nexit code 1, 2 passed\n\n',
      'ops-watchdog.outcome': outcome('ops-watchdog', 'cut', '20:56:00', '20:57:00'),
      'ops-watchdog.log': 'begins: gather\nbegins: ring of stages | wide\n',
      'peer.outcome': outcome('peer', 'late', '20:58:00', '20:58:00'),
      'addon.outcome': outcome('addon', 'skipped', '20:58:00', '20:58:00'),
      'addon.log': 'Node was not found\n',
      'sanitizer.running': '2026/11/27 21:09:00\n',
      'sanitizer.log': 'memcheck: 0 errors\n',
    });
    const [first] = text.split('\n').slice(2);
    expect(first).toContain(
      '**NOT ALL PASSED.** Failed: ops. Cut: ops-watchdog. Late: peer. Running: sanitizer. ' +
        'Skipped: addon.',
    );
    expect(data.verdict).toMatchObject({ passed: false, failed: ['ops'], cut: ['ops-watchdog'] });
    const ops = row(text, '**FAILED** | ops |');
    expect(ops).toContain('2 passed, 23 failed');
    expect(ops).toContain('check 21; ... | exit code 1, 2 passed |');
    expect(ops).not.toContain('check 22');
    expect(row(text, '| ops | check 24 |')).toContain('off by 24');
    expect(row(text, '**CUT** | ops-watchdog |')).toContain('begins: ring of stages / wide |');
    expect(row(text, '| skipped | addon |')).toContain('Node was not found');
    expect(row(text, '| running | sanitizer |')).toContain('memcheck: 0 errors');
    expect(row(text, '| not run | conformance |')).not.toBe('');
  });

  it('are not all passed if a check has failed while its step still runs', () => {
    const { data } = report({
      'ops.running': '2026/11/27 21:09:00\n',
      'ops.jsonl': jsonl([{ name: 'linear', ok: false }]),
    });
    expect(data.verdict).toMatchObject({ passed: false, failed: ['ops'], running: ['ops'] });
  });
});

describe('GPUs', () => {
  const floorOn = (name: string) => {
    const { data } = report({ ...complete(), 'machine.txt': gpu(name) });
    return target(data, '32-token query, 8B bf16, time / weight-read floor')?.figure ?? null;
  };

  it.each([
    ['NVIDIA H200', 4.8e12],
    ['NVIDIA GH200 480GB', 4.0e12],
    ['NVIDIA H100 80GB HBM3', 3.35e12],
    ['NVIDIA H100 PCIe', 2.0e12],
    ['NVIDIA H100 NVL', 3.9e12],
    ['NVIDIA A100-SXM4-80GB', 2.0e12],
  ])('%s has its own memory bandwidth', (name, rate) => {
    expect(floorOn(name)).toBeCloseTo(0.004 / (13.9e9 / (0.9 * rate)), 9);
  });

  it('that are unknown have no floor and no peak', () => {
    const { data } = report({ ...complete(), 'machine.txt': gpu('NVIDIA GB200') });
    expect(floorOn('NVIDIA GB200')).toBeNull();
    expect(data.linear.every((line: Line) => line.share_of_peak === null)).toBe(true);
  });

  it('with their own kernels get a warning if the portable ones were timed', () => {
    const lines = (device: Line) => jsonl([device, ...timings().slice(1)]);
    const { text, data } = report({ ...complete(), 'timings.jsonl': lines(portable) });
    expect(data.verdict.kernels).toEqual(['portable']);
    expect(data.against_portable).toEqual([]);
    expect(row(text, 'WARNING')).toContain('timings ran the PORTABLE kernels');
    const other = { ...portable, name: 'NVIDIA A100-SXM4-80GB, sm_80' };
    expect(report({ ...complete(), 'timings.jsonl': lines(other) }).data.warnings).toEqual([]);
    const { data: swapped } = report({ ...complete(), 'timings-portable.jsonl': jsonl([hopper]) });
    expect(swapped.warnings).toHaveLength(1);
  });

  it('on which only a rehearsal has run get a warning', () => {
    const { text } = report({
      ...complete(),
      'peer.jsonl': jsonl([{ kind: 'peer', torch: '2.13.0', toy: true }]),
    });
    expect(row(text, 'WARNING')).toContain('a rehearsal at toy sizes');
  });
});
