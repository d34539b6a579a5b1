// npm run check:cuda: compiles the CUDA kernels and checks the machine code, without a GPU. The
// performance-critical kernels must not spill registers or use local memory, must stay within their
// register budget, and must contain the expected tensor-core and copy instructions.
//
//   npm run check:cuda -- [80 90a ...]     compute capabilities; default: all that are shipped

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const run = promisify(execFile);
const shipped = ['80', '86', '89', '90a', '100', '120'];

// The opcode is the low 12 bits of a 16-byte instruction, on every GPU from sm_80 on.
const opcodes = {
  HMMA: 0x23c,
  IMMA: 0x237,
  HGMMA: 0x9f0,
  IGMMA: 0x9f1,
  HGMMA_REGISTERS: 0xdf0, // the left operand in registers
  LDSM: 0x83b,
  LDGSTS: 0xfae,
  UTMALDG: 0x5b4,
  UTMASTG: 0x3b5,
  UTMAREDG: 0x3b6,
  ACQBULK: 0x82e, // griddepcontrol.wait
  PREEXIT: 0x82d, // griddepcontrol.launch_dependents
  USETMAXREG: 0x9c8,
  LDL: 0x983,
  STL: 0x387,
};
const mufu = 0x308;
const wgmmaWait = 0x00008000000079c5n; // the first eight bytes of wgmma_wait's instruction
// The instructions that an int8 kernel has instead.
const int8Opcodes = { HMMA: 'IMMA', HGMMA: 'IGMMA' };
// The instructions that linear_add, which adds its results to memory, has instead.
const addOpcodes = { UTMASTG: 'UTMAREDG' };
const summarized = [
  ...Object.entries(int8Opcodes).flat(),
  'HGMMA_REGISTERS',
  'UTMALDG',
  'UTMASTG',
  'UTMAREDG',
];

// `registers` is the most that a thread may have for two blocks to share a multiprocessor: 65,536 /
// threads / 2, rounded down to a multiple of 8. wgmma_gemm and wgmma_attention run one block of 384
// threads per multiprocessor and reallocate registers among its warpgroups: they need this number
// exactly, because with fewer setmaxnreg would wait forever. `only` is the compute capability that
// a kernel is compiled for. `overlaps`: from sm_90 on the kernel may start before the previous one
// has ended. `MUFU during a product` counts the exponentials of the softmax that execute while a
// wgmma runs.
const hotKernels = {
  tile_gemm: { registers: 248, atLeast: { HMMA: 8, LDSM: 6, LDGSTS: 4 }, overlaps: true },
  add_partials_kernel: { registers: 64, atLeast: {}, overlaps: true },
  sliced_k_gemm: { registers: 128, atLeast: { HMMA: 8, LDSM: 4, LDGSTS: 4 }, overlaps: true },
  wgmma_gemm: {
    registers: 168,
    exactly: true,
    atLeast: { HGMMA: 8, UTMALDG: 2, UTMASTG: 2, USETMAXREG: 2 },
    only: '90a',
  },
  wgmma_attention: {
    registers: 168,
    exactly: true,
    atLeast: {
      HGMMA: 16,
      HGMMA_REGISTERS: 16,
      UTMALDG: 1,
      LDGSTS: 2,
      USETMAXREG: 2,
      'MUFU during a product': 64,
    },
    only: '90a',
  },
  attention_kernel: { registers: 248, atLeast: { HMMA: 128, LDSM: 64, LDGSTS: 2 }, overlaps: true },
  quantize_kernel: { registers: 64, atLeast: {}, overlaps: true },
  rms_norm_kernel: { registers: 64, atLeast: {}, overlaps: true },
  norm_rope_kernel: { registers: 64, atLeast: {}, overlaps: true },
  norm_rope_store_kernel: { registers: 64, atLeast: {}, overlaps: true },
};
const warnings = /C75\d\d|serializ|Potential Performance Loss/i;

try {
  const problems = [];
  const wanted = process.argv.slice(2);
  for (const capability of wanted.length > 0 ? wanted : shipped)
    problems.push(...(await checkCapability(capability)));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) throw new Error(`${problems.length} checks of the CUDA kernels failed`);
  console.log('all checks of the CUDA kernels passed');
} catch (error) {
  fail(error);
}

async function checkCapability(capability) {
  const problems = [];
  const summary = new Map();
  const sources = fs.readdirSync(path.join(root, 'cuda')).filter((file) => file.endsWith('.cu'));
  for (const { source, cubin, log } of await compileAll(sources, capability)) {
    if (warnings.test(log))
      problems.push(`sm_${capability} ${source}: ${log.match(warnings)[0]} in ptxas's output`);
    const counts = countOpcodes(cubin);
    for (const kernel of kernelsOf(log)) {
      const hot = hotKernels[kernel.name];
      if (!hot || (hot.only && hot.only !== capability)) continue;
      const where = `sm_${capability} ${kernel.symbol}`;
      const found = counts.get(kernel.symbol);
      if (kernel.stack + kernel.spills > 0)
        problems.push(`${where}: ${kernel.stack} bytes of stack, ${kernel.spills} bytes spilled`);
      if (kernel.registers > hot.registers || (hot.exactly && kernel.registers < hot.registers)) {
        problems.push(
          `${where}: ${kernel.registers} registers, ` +
            `expected ${hot.exactly ? 'exactly' : 'at most'} ${hot.registers}`,
        );
      }
      for (const name of ['LDL', 'STL']) {
        if (found[name] > 0) problems.push(`${where}: ${found[name]} ${name}, expected none`);
      }
      const overlap =
        hot.overlaps && Number.parseInt(capability, 10) >= 90 ? { ACQBULK: 1, PREEXIT: 1 } : {};
      for (const [kind, least] of Object.entries({ ...hot.atLeast, ...overlap })) {
        const name =
          (/_gemmIa/.test(kernel.symbol) && int8Opcodes[kind]) ||
          (/EpilogueE1/.test(kernel.symbol) && addOpcodes[kind]) ||
          kind;
        if (found[name] < least) {
          problems.push(`${where}: ${found[name]} ${name}, expected at least ${least}`);
        }
      }
      const line = summary.get(kernel.name) ?? { variants: 0, registers: 0, counts: {} };
      summary.set(kernel.name, {
        variants: line.variants + 1,
        registers: Math.max(line.registers, kernel.registers),
        counts: Object.fromEntries(
          summarized.map((name) => [name, Math.max(line.counts[name] ?? 0, found[name])]),
        ),
      });
    }
  }
  for (const [name, { only }] of Object.entries(hotKernels)) {
    if (only && only !== capability) continue;
    const line = summary.get(name);
    if (!line) {
      problems.push(`sm_${capability}: there is no kernel ${name}`);
      continue;
    }
    const present = Object.entries(line.counts).filter(([, count]) => count > 0);
    const counts = present.map(([name, count]) => `, ${count} ${name}`).join('');
    console.log(
      `sm_${capability}  ${name}: ${line.variants} variants, ${line.registers} registers${counts}`,
    );
  }
  return problems;
}

async function compileAll(sources, capability) {
  const compiled = [];
  const waiting = sources.entries(); // shared by all workers
  const worker = async () => {
    for (const [i, source] of waiting)
      compiled[i] = { source, ...(await compile(source, capability)) };
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  return compiled;
}

async function compile(source, capability) {
  const folder = path.join(root, 'build', 'cubins');
  fs.mkdirSync(folder, { recursive: true });
  const output = path.join(folder, `${source}.sm_${capability}.cubin`);
  const args = [
    '-std=c++20',
    '-O3',
    `-arch=sm_${capability}`,
    '-cubin',
    '-Xptxas',
    '-v',
    '-Inative',
    '-Icuda',
  ];
  try {
    const { stdout, stderr } = await run('nvcc', [...args, `cuda/${source}`, '-o', output], {
      cwd: root,
    });
    return { cubin: fs.readFileSync(output), log: stdout + stderr };
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new Error('nvcc was not found: put the CUDA toolkit on the PATH');
    throw new Error(`nvcc failed on cuda/${source}:\n${error.stdout}${error.stderr}`);
  }
}

/** Parses what `ptxas -v` prints about each kernel. */
function* kernelsOf(log) {
  const lines = [
    /Compiling entry function '(\w+)'/,
    /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/,
    /Used (\d+) registers/,
  ];
  const pattern = new RegExp(lines.map(({ source }) => source).join('[\\s\\S]*?'), 'g');
  for (const [, symbol, stack, stores, loads, registers] of log.matchAll(pattern)) {
    const name = Object.keys(hotKernels).find((kernel) =>
      symbol.includes(`${kernel.length}${kernel}`),
    );
    yield { symbol, name, stack: +stack, spills: +stores + +loads, registers: +registers };
  }
}

/**
 * Maps each kernel to the number of instructions per opcode. A cubin is an ELF file that has a
 * section `.text.<kernel>` for each kernel.
 */
function countOpcodes(elf) {
  const sectionsAt = Number(elf.readBigUInt64LE(0x28));
  const [entrySize, count, namesIndex] = [0x3a, 0x3c, 0x3e].map((at) => elf.readUInt16LE(at));
  const section = (index) => {
    const at = sectionsAt + index * entrySize;
    const [offset, size] = [at + 0x18, at + 0x20].map((field) =>
      Number(elf.readBigUInt64LE(field)),
    );
    return { name: elf.readUInt32LE(at), bytes: elf.subarray(offset, offset + size) };
  };
  const names = section(namesIndex).bytes;
  const counts = new Map();
  for (let i = 0; i < count; i++) {
    const { name, bytes } = section(i);
    const text = names.toString('latin1', name, names.indexOf(0, name));
    if (!text.startsWith('.text.')) continue;
    const found = Object.fromEntries(Object.keys(opcodes).map((opcode) => [opcode, 0]));
    found['MUFU during a product'] = 0;
    let sinceWait = 0; // MUFU since the last wait or start of a product
    for (let at = 0; at + 16 <= bytes.length; at += 16) {
      const opcode = bytes.readUInt16LE(at) & 0xfff;
      for (const [key, value] of Object.entries(opcodes)) if (opcode === value) found[key]++;
      if (opcode === mufu) sinceWait++;
      const waits = bytes.readBigUInt64LE(at) === wgmmaWait;
      if (waits)
        found['MUFU during a product'] = Math.max(found['MUFU during a product'], sinceWait);
      if (waits || opcode === opcodes.HGMMA || opcode === opcodes.HGMMA_REGISTERS) sinceWait = 0;
    }
    counts.set(text.slice('.text.'.length), found);
  }
  return counts;
}
