export const file = 'lib/checkpoint/pooling.ts';
export const suite = 'lib/checkpoint';

const tests = 'modules.json, pooling and prompts';

export const mutants = [
  {
    name: 'the pooling of a folder without modules.json is not checked',
    text: "?? [{ type: 'Pooling', path: '1_Pooling' }]",
    replacement: '?? []',
    tests,
  },
  {
    name: 'modules of other types are ignored',
    text: "else if (type !== 'Transformer' && type !== 'Normalize') {",
    replacement: "else if (type === 'Pooling') {",
    tests,
  },
  {
    name: 'a flag that is no boolean counts as false',
    text: 'pooling[key] !== false',
    replacement: 'pooling[key] === true',
    tests,
  },
  {
    name: 'a pooling without a mode is accepted',
    text: "modes.length === 0 || modes.some((mode) => mode !== 'lasttoken')",
    replacement: "modes.some((mode) => mode !== 'lasttoken')",
    tests,
  },
  {
    name: 'several modes are accepted if one is the last token',
    text: "modes.some((mode) => mode !== 'lasttoken')",
    replacement: "!modes.includes('lasttoken')",
    tests,
  },
  {
    name: 'the names of modes are ignored',
    text: '...[pooling.pooling_mode ?? []].flat(),',
    replacement: '',
    tests: 'with last-token pooling, in each notation',
  },
  {
    name: 'the width of the pooling is not compared',
    text: 'if (width !== hidden)\n',
    replacement: 'if (width === undefined)\n',
    tests,
  },
  {
    name: 'the new name of the width is ignored',
    text: 'pooling.word_embedding_dimension ?? pooling.embedding_dimension ?? hidden',
    replacement: 'pooling.word_embedding_dimension ?? hidden',
    tests,
  },
];
