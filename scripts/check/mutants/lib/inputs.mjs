export const file = 'lib/options/inputs.ts';
export const suite = 'lib/options';

export const mutants = [
  {
    name: 'a list of any length is copied',
    text: 'if (list.length > maxInputs) {',
    replacement: 'if (list.length > 2 ** 33) {',
    tests: 'that are too many',
  },
  {
    name: 'the list is not copied',
    text: 'this.#list = Array.from(list);',
    replacement: 'this.#list = list as unknown[];',
    tests: 'are copied, so later changes',
  },
  {
    name: 'token ids are not copied',
    text: 'return new Uint32Array(input);',
    replacement: 'return input;',
    tests: 'are copied, so later changes',
  },
  {
    name: 'an input stays referenced',
    text: 'this.#list[index] = undefined;',
    replacement: '',
    suite: 'embedder/event_loop',
    tests: 'holds neither its inputs nor their list',
  },
  {
    name: 'other typed arrays are token ids',
    text: 'if (!types.isUint32Array(input))\n',
    replacement: 'if (!types.isUint32Array(input) && !types.isInt32Array(input))\n',
    tests: 'inputs',
  },
  {
    name: 'an input without token ids is accepted',
    text: 'if (input.length === 0)\n',
    replacement: 'if (input.length < 0)\n',
    tests: 'without token ids',
  },
  {
    name: 'a single input is named by an index',
    text: "this.isSingle ? 'input' : `input[${index}]`",
    replacement: '`input[${index}]`',
    tests: 'inputs',
  },
];
