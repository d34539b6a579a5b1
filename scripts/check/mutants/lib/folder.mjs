export const file = 'lib/checkpoint/folder.ts';
export const suite = 'lib/checkpoint';

const changed = { suite: 'embedder/changed_files', tests: 'a load refuses' };

export const mutants = [
  {
    name: 'a JSON file may have any size',
    text: 'if (state.size > maxBytes) {',
    replacement: 'if (state.size > 2 ** 50) {',
    tests: 'of more than 64 MB',
  },
  {
    name: 'the path of a folder is not resolved',
    text: 'return new Folder(real);',
    replacement: 'return new Folder(absolute);',
    suite: 'embedder/changed_files',
    tests: 'a load reads one folder, although the link to it changes',
  },
  {
    name: 'a file is a folder',
    text: 'if ((await stat(real)).isDirectory()) return',
    replacement: 'if (await stat(real)) return',
    tests: 'a folder that is not a checkpoint',
  },
  {
    name: 'a folder is a file',
    text: 'if (found.isFile()) {',
    replacement: 'if (found) {',
    tests: 'as a folder is MODEL_INVALID',
  },
  {
    name: 'a file that cannot be read counts as missing',
    text: "if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;",
    replacement: 'if (error) return undefined;',
    tests: 'cannot be read',
  },
  {
    name: 'a later look at a file replaces its first state',
    text: 'if (!this.#states.has(file)) this.#states.set(file, state);',
    replacement: 'this.#states.set(file, state);',
    tests: 'also after a second look',
  },
  {
    name: 'a file with new times and the same size is unchanged',
    text: '[dev, ino, size, mtimeNs, ctimeNs]',
    replacement: '[dev, ino, size]',
    suite: 'embedder/changed_files',
    tests: 'a load refuses',
  },
  {
    name: 'a replaced file with the same size and times is unchanged',
    text: '[dev, ino, size, mtimeNs, ctimeNs]',
    replacement: '[dev, size, mtimeNs]',
    suite: 'embedder/changed_files',
    tests: 'a load refuses',
  },
  {
    name: 'files that appear during the load are accepted',
    text: 'if (now?.version !== state?.version)',
    replacement: 'if (state && now?.version !== state.version)',
    ...changed,
  },
  {
    name: 'files that disappear during the load are accepted',
    text: 'if (now?.version !== state?.version)',
    replacement: 'if (now && now.version !== state?.version)',
    ...changed,
  },
  {
    name: 'a file of any length of name is looked up',
    text: 'name.length > 0 && name.length <= 255',
    replacement: 'name.length > 0',
    tests: 'what a message quotes of a hostile file is short',
  },
  {
    name: 'a name may leave the folder',
    text: '!/[/\\\\\\0]/.test(name)',
    replacement: 'name.length > 0',
    tests: 'model.safetensors.index.json',
  },
  {
    name: 'the parent folder is a plain name',
    text: "name !== '.' && name !== '..'",
    replacement: "name !== '.'",
    tests: 'model.safetensors.index.json',
  },
  {
    name: 'an array is an object',
    text: ' && value !== null && !Array.isArray(value);',
    replacement: ' && value !== null;',
    tests: 'with the weight_map',
  },
];
