export const file = 'native/cpu/isa/isa.cc';
export const suite = 'native_tests';

const chosen = 'cpu: finds the best instruction set';

export const mutants = [
  {
    name: 'the slowest instruction set is chosen',
    text: 'available_isas().back()',
    replacement: 'available_isas().front()',
    tests: chosen,
  },
  {
    name: 'an instruction set that the processor has is not found',
    text: '  isas.push_back(Isa::avx2);\n',
    replacement: '',
    tests: chosen,
  },
  {
    name: 'bf16 weights are stored as f32',
    text: 'f32 ? kAvx2F32 : kAvx2Bf16',
    replacement: 'kAvx2F32',
    tests: 'cpu avx2 bf16: runs its own kernels',
  },
  {
    name: 'AVX-512 runs the kernels of AVX2',
    text: 'case Isa::avx512: return f32 ? kAvx512F32 : kAvx512Bf16;',
    replacement: 'case Isa::avx512: return f32 ? kAvx2F32 : kAvx2Bf16;',
    suite: 'avx512_emulation_tests',
    tests: 'emulated cpu avx512 f32: runs its own kernels',
  },
  {
    name: 'the names are in another order than the instruction sets',
    text: '"scalar", "avx2",',
    replacement: '"avx2", "scalar",',
    tests: 'f32: runs its own kernels',
  },
];
