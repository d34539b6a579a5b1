export const file = 'native/cpu/isa/avx512bf16.cc';
export const suite = 'avx512_emulation_tests';

export const mutants = [
  {
    name: 'bf16 values past the last column are stored',
    text: '_mm256_mask_storeu_epi16(p, mask(n), to_bf16(v));',
    replacement: '_mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(v));',
    tests: 'emulated cpu avx512bf16 bf16: rms_norm: agrees',
  },
  {
    name: 'bf16 weights are computed in f32',
    text: 'make_kernels<Bf16Pairs<Avx512Bf16>, Bf16Pairs<Avx512Bf16>, Blocks>',
    replacement: 'make_kernels<Bf16Halves<Avx512>, F32Panels<Avx512>, Blocks>',
    tests: 'emulated cpu avx512bf16 bf16: runs its own kernels',
  },
];
