export const file = 'native/engine/loader.cc';
export const suite = 'native_tests';

const embedder = 'embedder/embedder';
const shared = 'engine: loads of the same model share it';
const cancelled = 'engine: cancelled loads end';

export const mutants = [
  {
    name: 'loads with different instruction sets share weights',
    text: "<< opened.backend->traits().instruction_set << ' '",
    replacement: '',
    tests: shared,
  },
  {
    name: 'loads in different precisions share weights',
    text: "<< to_string(opened.precision) << ' '",
    replacement: '',
    tests: shared,
  },
  {
    name: 'loads with different numbers of positions share weights',
    text: "<< c.max_positions << ' '",
    replacement: '',
    tests: shared,
  },
  {
    name: 'nearly equal constants of norms are equal',
    text: 'std::hexfloat << ',
    replacement: '',
    tests: shared,
  },
  {
    name: 'loads with different rotations share weights',
    text: "<< ' '\n      << c.rope_theta;",
    replacement: ';',
    tests: shared,
  },
  {
    name: 'loads of different versions of a file share weights',
    text: 'file.version << ',
    replacement: "' ' << ",
    suite: 'embedder/changed_files',
    tests: 'does not share the weights of another',
  },
  {
    name: 'loads of different files share weights',
    text: "<< ' ' << file.path;",
    replacement: ';',
    tests: shared,
  },
  {
    name: 'a released model is freed after the loads ahead of it',
    text: 'queue_.push_front({nullptr',
    replacement: 'queue_.push_back({nullptr',
    tests: 'engine: a released model is freed before the next load',
  },
  {
    name: 'a released model stays in memory until the next load',
    text: '    task = {};\n',
    replacement: '',
    tests: 'engine: a released model is freed at once',
  },
  {
    name: 'queued loads never finish when the loader stops',
    text: 'if (left.job) left',
    replacement: 'if (0) left',
    tests: 'engine: every load finishes when the loader stops',
  },
  {
    name: 'a cancelled load opens its device and files',
    text: 'if (!job.cancelled) model',
    replacement: 'model',
    tests: cancelled,
  },
  {
    name: 'a load that is cancelled reads all of the model',
    text: 'return !job.cancelled;',
    replacement: 'return true;',
    tests: cancelled,
  },
  {
    name: 'a load shares a model whose device has failed',
    text: ' && !model->failed)',
    replacement: ')',
    tests: shared,
  },
  {
    name: 'no load shares weights',
    text: '  known = model;\n',
    replacement: '',
    tests: shared,
  },
  {
    name: 'the number of threads is that of the load whose weights are shared',
    text: '  job.threads = opened.backend->traits().threads;\n',
    replacement: '',
    suite: embedder,
    tests: 'its own number of threads',
  },
];
