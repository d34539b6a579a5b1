export const file = 'native/cpu/cpu_backend.cc';
export const suite = 'native_tests';

const moreThreads = 'cpu: computes on more threads';
const pooled = 'cpu scalar f32: pool: agrees';
const reported = 'cpu scalar f32: pool: reports';
const stored = 'cpu scalar f32: store_weight: every dtype';

export const mutants = [
  {
    name: 'the last task has rows past the end',
    text: 'std::min(size, total - first)',
    replacement: 'size',
    tests: 'cpu scalar f32: rms_norm: a row alone',
  },
  {
    name: 'the scratch of threads overlaps',
    text: 'static_cast<char*>(memory_) + thread * stride_',
    replacement: 'static_cast<char*>(memory_)',
    tests: moreThreads,
  },
  {
    name: 'more threads than there is scratch for',
    text: 'threads_.count = scratch_.reserve(threads);',
    replacement: 'threads_.count = threads;',
    tests: moreThreads,
  },
  {
    name: 'a call never uses fewer threads than the call before it',
    text: 'return std::min(threads, threads_);',
    replacement: 'return threads_;',
    tests: "cpu: one thread is the caller's",
  },
  {
    name: 'a task has more panels than scratch has room for',
    text: 'std::min(kernels_.block_panels, ceil_div(panels, wanted))',
    replacement: 'ceil_div(panels, wanted)',
    tests: moreThreads,
  },
  {
    name: 'tables are stored from their first row in every piece',
    text: 'size_t{first_row + r} * weight.stride',
    replacement: 'size_t{r} * weight.stride',
    tests: stored,
  },
  {
    name: 'a gain is copied in the dtype of the checkpoint',
    text: 'if (weight.dtype == stored) {',
    replacement: 'if (true) {',
    tests: 'cpu scalar f32: forward: agrees',
  },
  {
    name: 'the norm of a pooled row reads only the requested dimensions',
    text: 'for (uint32_t i = 0; i < x.cols; ++i) squares',
    replacement: 'for (uint32_t i = 0; i < output.dimensions; ++i) squares',
    tests: reported,
  },
  {
    name: 'a vector of zeros is divided by its length',
    text: 'std::max(std::sqrt(cut_squares), 1e-12)',
    replacement: 'std::sqrt(cut_squares)',
    tests: pooled,
  },
  {
    name: 'an infinity past the requested dimensions is accepted',
    text: 'output.finite = scale > 0 && ',
    replacement: 'output.finite = ',
    tests: reported,
  },
  {
    name: 'a gain that is not finite is accepted',
    text: ' && std::isfinite(cut_squares)',
    replacement: '',
    tests: reported,
  },
];
