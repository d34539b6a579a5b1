// Random texts that are hard for a tokenizer, and the comparison of two tokenizers on them.
// CommonJS with types in comments, because scripts/check/tokenizer.mjs uses it too.

/** @typedef {InstanceType<typeof import('./random_numbers.cjs').Draw>} Draw */

/**
 * What texts are made of, beside what is the same for all tokenizers.
 *
 * @typedef {object} Ingredients
 * @property {readonly string[]} tokens The contents of added tokens.
 * @property {readonly string[]} pieces Texts of the vocabulary's tokens, letters only.
 */

const whiteSpace = [
  ...'      \n\n\t\v\f\r\x85\xa0\u1680\u180e\u2000\u2001\u2003\u2009\u200a\u200b\u2028\u2029\u202f',
  ...['\u205f', '\u2060', '\u3000', '\ufeff', '\x1c', '\x1d', '\x1e', '\x1f', '\0', '\r\n'],
];

const starters = [
  ...'eaounAcsΩÅ가각か は中ﬁſ<>=1-',
  ...'\u1100\u1161\u11a8\u0915\u09c7\u0dd9\u1b05\u2260\u212b\u1e9b\u2126\uf900\u0958',
  ...['\u{11935}', '\u{11131}', '\u{1d157}', '\u{110a5}', '\u{2f800}', '\u{1d15e}'],
];

const marks = [
  ...'\u0300\u0301\u0303\u0308\u0323\u0327\u0338\u0345\u3099\u309a\u093c\u09be\u0dca\u0dcf\u1b35',
  ...'\u1161\u11a8\u034f\u200d\u05b0\u05bc\u0e38\u0f71\u0f72\u1ab0\u1dc0\u20d0\ufe20\u0c3c\u1acf',
  ...['\u{11127}', '\u{11930}', '\u{1d165}', '\u{110ba}', '\u{1e8d0}', '\u{10f46}', '\u{11f41}'],
];

/** @type {readonly (readonly [number, number])[]} */
const blocks = [
  [0x00, 0x7f],
  [0x80, 0x24f],
  [0x300, 0x52f],
  [0x530, 0x11ff],
  [0x1200, 0x1fff],
  [0x2000, 0x2fff],
  [0x3000, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x1ffff],
  [0x20000, 0x323af],
  [0xe0000, 0xe01ef],
  [0x0, 0x10ffff],
];

const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i)).join('');

const contractions = [
  ..."'s 'S 't 'T 're 'RE 'Re 've 'vE 'm 'M 'll 'LL 'lL 'd 'D '' '".split(' '),
  ..."'\u017f '\u212a \u2019s 'l 'r 'v 'st 'll's 'r\u00e9 's\u0301".split(' '),
];

const words =
  'the a program reads file THE Program don I x internationalization naïve cafe\u0301 Straße мир ' +
  'Привет 中文 世界 東京 안녕하세요 こんにちは สวัสดี שלום مرحبا हिन्दी 😀 👩‍👩‍👧 0 42 3.14159 ' +
  '1,000 C++ == != // /* */ ... !? (a) [b] {c} <d> </e> "f" `g` foo_bar fooBar --flag a@b.cd ' +
  'https://';
const sentences = words.split(' ');

const longUnits =
  'a A = - . 中 é 0 한 \u0301 ア 😀 ab na xX aあ ing \u200d \u0e33 _ \ud800 ä\u0308 ' +
  '\u1100\u1161 \u0338 ß ſ\u0307 ‼';
const repeated = [' ', '\n', '\t', '\r\n', ' \n', '. ', '\u3000', ...longUnits.split(' ')];

const alphabets = [
  'ab',
  'aeiou',
  'abcdefghijklmnopqrstuvwxyz',
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
  'etaoinshrdlu',
  'абвгдежзиклмнопрстуфхцчшщыьэюя',
  'éèêëàâäôöûüç',
  '=-_*#~<>/|',
  '的一是不了人我在有他这中大来上国',
];

/** @type {readonly (readonly [number, number])[]} */
const letterBlocks = [
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0x0e01, 0x0e3a],
  [0x3041, 0x30fe],
  [0x0904, 0x0939],
  [0x1f300, 0x1f6ff],
  [0x20000, 0x2a6df],
];

/**
 * A text of about `size` units, from a function that draws its parts.
 *
 * @param {number} size
 * @param {() => string} part
 */
function joined(size, part) {
  let text = '';
  while (text.length < size) text += part();
  return text;
}

/**
 * @param {Draw} draw
 * @param {readonly [number, number]} block
 */
const codePoint = (draw, [low, high]) => String.fromCodePoint(low + draw.below(high - low + 1));

/** @type {Readonly<Record<string, (draw: Draw, ingredients: Ingredients) => string>>} */
const kinds = {
  spaces: (draw) =>
    joined(draw.size(1, 30), () =>
      draw.chance(0.7)
        ? draw.pick(whiteSpace).repeat(draw.chance(0.2) ? 1 + draw.below(6) : 1)
        : draw.pick(['a', '!', '1', 'é', '中', "'s", '.', '👍', 'Word', '\u0301']),
    ),
  marks: (draw) => {
    const text = joined(draw.size(1, 12), () =>
      draw.chance(0.45)
        ? draw.pick(starters)
        : draw.pick(draw.chance(0.8) ? marks : [' ', '1', 'x', '\n']),
    );
    return draw.chance(0.2) ? text.normalize(draw.pick(['NFC', 'NFD', 'NFKD'])) : text;
  },
  surrogates: (draw) =>
    joined(draw.size(1, 12), () =>
      draw.chance(0.5)
        ? String.fromCharCode(0xd800 + draw.below(0x800))
        : draw.pick(['a', ' ', '1', 'é', '\u0301', '!', '\n', '\ud800', '\udfff', "'s"]),
    ),
  codePoints: (draw) => {
    const block = draw.pick(blocks);
    return joined(draw.size(1, 30), () =>
      codePoint(draw, draw.chance(0.8) ? block : draw.pick(blocks)),
    );
  },
  bytes: (draw) => joined(draw.size(1, 40), () => String.fromCharCode(draw.below(256))),
  ascii: (draw) =>
    joined(draw.size(1, 80), () =>
      draw.chance(0.3)
        ? draw.pick([' ', '\n', "'s", "'ll", '  ', '0', 'the', '==', '//', '\r\n'])
        : draw.pick(ascii),
    ),
  contractions: (draw) =>
    joined(draw.size(1, 20), () =>
      draw.chance(0.5)
        ? draw.pick(contractions)
        : draw.pick(['a', ' ', 'I', 'llama', '1', '\n', '.']),
    ),
  words: (draw) =>
    joined(draw.size(1, 200), () =>
      draw.chance(0.5) ? draw.pick(sentences) : draw.pick([' ', ' ', '  ', '\n', '', ', ', '. ']),
    ),
  // Added tokens: whole, cut, beside each other, words, white space and marks.
  tokens: (draw, { tokens }) =>
    joined(draw.size(1, 60), () => {
      const token = draw.pick(tokens.length > 0 ? tokens : ['<|none|>']);
      const cut = draw.below(token.length);
      const changed = [
        token.slice(0, cut),
        token.slice(cut),
        token.toUpperCase(),
        `${token.slice(0, cut)}${token}${token.slice(cut)}`,
        token.normalize('NFD'),
        token.normalize('NFC'),
        token.trim(),
      ];
      const beside = draw.chance(0.5)
        ? draw.pick(whiteSpace)
        : draw.pick([
            ...marks,
            'a',
            'é',
            '1',
            '_',
            '-',
            '!',
            '',
            '<',
            '>',
            '|',
            'the',
            '中',
            '\ud800',
          ]);
      return draw.chance(0.5) ? token : draw.pick(draw.chance(0.4) ? changed : [beside]);
    }),
  // Words that do not end: of one letter, of few letters, of many.
  runs: (draw) => {
    const unit = draw.pick(repeated);
    return (
      unit.repeat(Math.ceil(longSize(draw) / unit.length)) + draw.pick(['', 'x', ' ', '1', '\n'])
    );
  },
  letters: (draw) => {
    const alphabet = [...draw.pick(alphabets)];
    return joined(longSize(draw), () => draw.pick(alphabet));
  },
  scripts: (draw) => {
    const block = draw.pick(letterBlocks);
    return joined(longSize(draw), () => codePoint(draw, block));
  },
  pieces: (draw, { pieces }) => {
    const some = draw.chance(0.5) ? pieces : Array.from({ length: 6 }, () => draw.pick(pieces));
    return joined(longSize(draw), () => draw.pick(some));
  },
  markRuns: (draw) => draw.pick(starters) + joined(longSize(draw) / 4, () => draw.pick(marks)),
};

/** @param {Draw} draw */
const longSize = (draw) => (draw.chance(0.4) ? draw.size(2_000, 20_000) : draw.size(10, 2_000));

const short = Object.keys(kinds).slice(0, 9);
const long = Object.keys(kinds).slice(9);

/**
 * A random text. One of `rarity` has a long word or run.
 *
 * @param {Draw} draw
 * @param {Ingredients} ingredients
 * @param {number} rarity
 */
function randomText(draw, ingredients, rarity) {
  const one = () => kindOf(draw.pick(short))(draw, ingredients);
  if (draw.chance(1 / rarity)) {
    const text = kindOf(draw.pick(long))(draw, ingredients);
    return draw.chance(0.5) ? text : one() + text + one();
  }
  return draw.chance(0.7) ? one() : one() + one();
}

/** @param {string} name */
const kindOf = (name) => /** @type {(typeof kinds)[string]} */ (kinds[name]);

/**
 * The texts of the tokens of a vocabulary that consist of letters.
 *
 * @param {Readonly<Record<string, number>>} vocabulary In the byte-level alphabet.
 */
function lettersOf(vocabulary) {
  const isPrintable = (/** @type {number} */ byte) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  /** @type {Map<string, number>} */
  const bytes = new Map();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++)
    bytes.set(String.fromCharCode(isPrintable(byte) ? byte : next++), byte);
  return Object.keys(vocabulary)
    .map((token) =>
      Buffer.from([...token].map((character) => bytes.get(character) ?? 0)).toString(),
    )
    .filter((text) => /^\p{L}+$/u.test(text));
}

/**
 * Ids of each text.
 *
 * @typedef {(texts: readonly string[]) => Promise<readonly ArrayLike<number>[]>} Encode
 */

/**
 * Compares two tokenizers. Returns a description of the first difference, with a text that has
 * been cut as far as the difference remains, or undefined.
 *
 * @param {readonly string[]} texts
 * @param {Encode} own
 * @param {Encode} reference
 */
async function difference(texts, own, reference) {
  const [got, expected] = [await own(texts), await reference(texts)];
  const at = texts.findIndex((_, i) => !isSame(got[i], expected[i]));
  if (at < 0) return undefined;
  const differs = async (/** @type {string} */ text) => {
    const [[one], [other]] = await Promise.all([own([text]), reference([text])]);
    return !isSame(one, other);
  };
  const whole = /** @type {string} */ (texts[at]);
  if (!(await differs(whole))) return `only among others: ${escaped(whole)}`;
  const text = await shortest(whole, differs);
  const [[one], [other]] = await Promise.all([own([text]), reference([text])]);
  return `${escaped(text)} has ${show(one)}, not ${show(other)}`;
}

/**
 * @param {ArrayLike<number> | undefined} one
 * @param {ArrayLike<number> | undefined} other
 */
function isSame(one, other) {
  if (one?.length !== other?.length) return false;
  for (let i = 0; i < (one?.length ?? 0); i++) if (one?.[i] !== other?.[i]) return false;
  return true;
}

/**
 * Deletes parts, each half as long as those before, while the text differs.
 *
 * @param {string} text
 * @param {(text: string) => Promise<boolean>} differs
 */
async function shortest(text, differs) {
  for (
    let part = Math.ceil(text.length / 2);
    part >= 1;
    part = part > 1 ? Math.ceil(part / 2) : 0
  ) {
    for (let from = 0; from < text.length; ) {
      const rest = text.slice(0, from) + text.slice(from + part);
      if (await differs(rest)) text = rest;
      else from += part;
    }
  }
  return text;
}

/** @param {string} text */
function escaped(text) {
  const code = (/** @type {string} */ unit) => unit.charCodeAt(0).toString(16).padStart(4, '0');
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${code(unit)}`);
}

/** @param {ArrayLike<number> | undefined} ids */
const show = (ids) => `[${Array.from(ids ?? []).join(' ')}]`;

module.exports = { difference, lettersOf, randomText };
