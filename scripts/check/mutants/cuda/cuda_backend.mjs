export const file = 'cuda/cuda_backend.cu';
export const suite = 'emulator_tests';

const records = 'cuda: records no more launches than fit';
const graphs = 'cuda: short batches run as graphs';
const invariant = 'invariant batches';
const named = 'cuda: reports which kernels run';

export const mutants = [
  {
    name: 'a copy overtakes the ops before it',
    text: `launch_recorded();
    run_unless_failed(op);`,
    replacement: 'run_unless_failed(op);',
    tests: 'cuda: graphs are bounded and in order',
  },
  {
    name: 'a batch overtakes the one before it',
    text: `launch_recorded();
    const bool small`,
    replacement: 'const bool small',
    tests: records,
  },
  {
    name: 'more launches recorded than there is room for',
    text: 'if (!recorded_.has_room_for(kOpBytes)) launch_recorded();',
    replacement: '',
    tests: records,
  },
  {
    name: 'recorded launches are launched twice',
    text: '    recorded_.clear();\n',
    replacement: '',
    tests: graphs,
  },
  {
    name: 'weights read before they are stored',
    text: 'weights_pending_ = true;',
    replacement: '',
    tests: 'cuda: linear ops read only their operands',
  },
  {
    name: 'launches overlap on every GPU',
    text: 'overlaps_ = compiled_for >= kOverlappingCode;',
    replacement: 'overlaps_ = true;',
    tests: graphs,
  },
  {
    name: 'invariance ignored',
    text: '!invariant && tokens',
    replacement: 'tokens',
    tests: invariant,
  },
  {
    name: 'staging filled while the device reads it',
    text: 'halves_[current_].in_use ? cuda::wait_for(halves_[current_].done) : nullptr',
    replacement: 'nullptr',
    tests: 'store_weight: gate',
  },
  {
    name: 'vectors returned before the device is done',
    text: 'return failure ? failure : cuda::wait_for(done_);',
    replacement: 'return failure;',
    tests: 'pool: agrees',
  },
  {
    name: 'the device name claims wgmma kernels that do not run',
    text: 'gpu_.has_wgmma ? "a"',
    replacement: 'is_hopper ? "a"',
    tests: named,
  },
  {
    name: 'the device name hides wgmma kernels that run',
    text: 'gpu_.has_wgmma ? "a"',
    replacement: 'false ? "a"',
    tests: named,
  },
  {
    name: 'a tuning that is not applied',
    text: 'gpu_.tuning = tuning;',
    replacement: '',
    tests: 'cuda: hopper: tiles are chosen by cost',
  },
  {
    name: 'an invalid tuning is accepted',
    text: 'words && !cuda::parse_tuning(words, &tuning, message, message_bytes)',
    replacement: 'words && !cuda::parse_tuning(words, &tuning, message, message_bytes) && false',
    tests: 'cuda: tuning is read',
  },
  {
    name: 'the tuned bound of the small plan is ignored',
    text: 'tokens <= gpu_.tuning.small_tokens',
    replacement: 'tokens <= cuda::kSmallBatchTokens',
    tests: invariant,
  },
];
