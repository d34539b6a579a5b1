export const file = 'cuda/rope.cu';
export const suite = 'emulator_tests';

export const mutants = [
  {
    name: 'keys and values stored at the index that includes the prefix',
    text: 'place.position - place.span->prefix.tokens',
    replacement: 'place.position',
    tests: 'cuda bf16: attention: many texts',
  },
  {
    name: 'rotated the wrong way',
    text: 'x * cosine - y * sine',
    replacement: 'x * cosine + y * sine',
    tests: 'norm_rope: agrees',
  },
  {
    name: 'storing keys and values does not wait for the previous kernel',
    text: `wait_for_previous();
  const uint32_t task = blockIdx.x * kWarps + threadIdx.x / 32;
  const uint32_t row = task / (2`,
    replacement: `const uint32_t task = blockIdx.x * kWarps + threadIdx.x / 32;
  const uint32_t row = task / (2`,
    tests: 'cuda: hopper: short batches run as graphs',
  },
];
