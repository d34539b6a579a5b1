export const file = 'native/model/load_model.cc';
export const suite = 'native_tests';

const vectors = 'embedder/vectors';
const gqa = 'gqa2-bf16';
const refuses = 'load_model: refuses tensors that do not match';
const backend = 'load_model: loads fail with the backend';

export const mutants = [
  {
    name: 'a tensor has more rows than the model',
    text: 'tensor->rows != plan.tensor_rows || ',
    replacement: '',
    tests: refuses,
  },
  {
    name: 'a tensor has more columns than the model',
    text: ' || tensor->cols != plan.cols',
    replacement: '',
    tests: refuses,
  },
  {
    name: 'the tensors of a weight have different types',
    text: 'tensor->dtype != plan.tensors[0]->dtype',
    replacement: 'false',
    tests: refuses,
  },
  {
    name: 'a tensor has fewer bytes than its shape',
    text: 'tensor->bytes != uint64_t{tensor->rows} * tensor->cols * bytes_of(tensor->dtype)',
    replacement: 'false',
    tests: refuses,
  },
  {
    name: 'a tensor is in a file that does not exist',
    text: 'tensor->file >= files.size()',
    replacement: 'false',
    tests: refuses,
  },
  {
    name: 'an offset past the end of the file',
    text: 'tensor->offset > size || ',
    replacement: '',
    tests: refuses,
  },
  {
    name: 'a tensor runs past the end of the file',
    text: ' || tensor->bytes > size - tensor->offset',
    replacement: '',
    tests: refuses,
  },
  {
    name: 'layers are missing',
    text: 'source.layers.size() != source.config.layers',
    replacement: 'false',
    tests: refuses,
  },
  {
    name: 'a weight that the backend does not support is loaded',
    text: 'layout.bytes == 0',
    replacement: 'false',
    tests: backend,
  },
  {
    name: 'weights are allocated that the memory cannot hold',
    text: 'needed > available',
    replacement: 'false',
    tests: backend,
  },
  {
    name: 'temporary memory of the largest weight is not counted',
    text: 'extra = std::max(extra, layout.temporary);',
    replacement: ';',
    tests: backend,
  },
  {
    name: 'weights begin at any byte',
    text: '(bytes + kAlignment - 1) / kAlignment * kAlignment',
    replacement: 'bytes',
    tests: 'load_model: weights are aligned',
  },
  {
    name: 'values are stored in place of keys',
    text: '      first_row += tensor->rows;\n',
    replacement: '',
    suite: vectors,
    tests: gqa,
  },
  {
    name: 'only the first piece of a tensor is read',
    text: 'tensor->offset + row * row_bytes',
    replacement: 'tensor->offset',
    tests: 'load_model: large tensors are read in pieces',
  },
  {
    name: 'angles are computed in float64',
    text: 'const float angle = static_cast<float>(position) * frequencies[i];',
    replacement:
      'const double angle = position / std::pow(config.rope_theta, 2. * i / (half * 2));',
    suite: vectors,
    tests: 'f32',
  },
  {
    name: 'progress does not stop a load',
    text: 'if (progress && !progress(loaded, total)) return nullptr;',
    replacement: 'if (progress) progress(loaded, total);',
    tests: 'engine: cancelled loads end',
  },
  {
    name: 'a load succeeds although the device failed',
    text: 'if (const char* failure = backend.sync()) throw',
    replacement: 'if (const char* failure = nullptr) throw',
    tests: backend,
  },
];
