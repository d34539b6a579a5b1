// Writes native/tokenizer/unicode/unicode_tables.cc, in a second. With --check it writes nothing,
// and fails if the file is not what it would write.
//
//   node scripts/generate-unicode.mjs [--check]
//
// The classes of characters are those of Unicode 16.0, NFC is that of Unicode 9.0: those of the
// reference tokenizer's libraries. Decompositions and the order of combining marks come from
// String.prototype.normalize. Unicode's stability policy guarantees that they never change for an
// assigned code point, so every version of Node gives the same tables. For code points that are not
// assigned in 9.0 the tables have nothing.

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail, isMain } from './install/report.mjs';
import { root } from './install/stamp.mjs';
import { tool } from './tools.mjs';

/** The ranges of code points that have a property. */
async function ranges(version, property) {
  const folder = tool(`@unicode/unicode-${version}@2.0.7`);
  const file = path.join(folder, ...property.split('/'), 'ranges.mjs');
  return (await import(pathToFileURL(file).href)).default;
}

const assigned = await ranges('9.0.0', 'Binary_Property/Assigned');
const letters = await ranges('16.0.0', 'General_Category/Letter');
const numbers = await ranges('16.0.0', 'General_Category/Number');
const whiteSpace = await ranges('16.0.0', 'Binary_Property/White_Space');
// What \w matches in Rust's regular expressions.
const words = await Promise.all(
  [
    'Binary_Property/Alphabetic',
    'General_Category/Mark',
    'General_Category/Decimal_Number',
    'General_Category/Connector_Punctuation',
    'Binary_Property/Join_Control',
  ].map((property) => ranges('16.0.0', property)),
);

const file = 'native/tokenizer/unicode/unicode_tables.cc';
const codePoints = 0x110000;
const blockSize = 128; // kUnicodeBlockSize
const maxColumns = 100;
// The bits of the tables' values: see unicode_tables.h.
const [letter, number, space, word] = [1, 2, 3, 4];
const [maxRank, notQuick, decomposes] = [0x3f, 0x40, 0x80];

const nfc = (text) => text.normalize('NFC');
const nfd = (text) => text.normalize('NFD');
const isSurrogate = (codePoint) => codePoint >= 0xd800 && codePoint < 0xe000;
const isHangul = (codePoint) => codePoint >= 0xac00 && codePoint < 0xd7a4;

function expect(condition, message) {
  if (!condition) throw new Error(`the Unicode data is not as the tables require: ${message}`);
}

const hex = (text) =>
  [...text].map((c) => `U+${c.codePointAt(0).toString(16).toUpperCase()}`).join(' ');

function classValues() {
  const values = new Uint8Array(codePoints);
  const set = (value, ranges) => {
    for (const range of ranges) for (const c of range.keys()) values[c] |= value;
  };
  set(letter, letters);
  set(number, numbers);
  set(space, whiteSpace);
  for (const ranges of words) set(word, ranges);
  return values;
}

/** Every character that is assigned in Unicode 9.0. */
function* characters() {
  for (const range of assigned)
    for (const c of range.keys()) if (!isSurrogate(c)) yield String.fromCodePoint(c);
}

/**
 * The canonical decompositions into one or two characters: a map from a character to its first and
 * second ('' if it has one). The first may decompose further.
 */
function decompositions() {
  const whole = new Map(); // from the full decomposition
  for (const c of characters()) {
    const full = nfd(c);
    if (full !== c && (nfc(c) === c || !whole.has(full))) whole.set(full, c);
  }
  const found = new Map();
  for (const c of characters()) {
    const full = [...nfd(c)];
    if (full[0] === c) continue;
    const second = full.length > 1 ? full.pop() : '';
    const first = full.length > 1 ? whole.get(full.join('')) : full[0];
    expect(first !== undefined, `${hex(c)} does not decompose into two characters`);
    found.set(c, [first, second]);
  }
  return found;
}

/**
 * The combining classes as ranks: a map from each character that decomposes into nothing and has a
 * combining class other than 0 to the rank of its class, from 1.
 */
function ranks() {
  const low = '\u0334'; // class 1, the lowest
  const high = '\u0345'; // class 240, the highest
  const follows = (x, y) => nfd(x + y) === y + x; // x's class is higher than y's, which is not 0
  const nonStarters = [...characters()].filter(
    (c) => nfd(c) === c && (follows(c, low) || follows(high, c)),
  );
  nonStarters.sort((x, y) => (x === y ? 0 : Number(follows(x, y)) - Number(follows(y, x))));
  const found = new Map();
  let rank = 0;
  let previous = '';
  for (const c of nonStarters) {
    if (previous === '' || follows(c, previous)) rank++;
    found.set(c, rank);
    previous = c;
  }
  expect(rank <= maxRank, `${rank} combining classes`);
  for (const [x, xRank] of found) {
    for (const [y, yRank] of found)
      expect(x === y || follows(x, y) === xRank > yRank, `no order of ${hex(x)} and ${hex(y)}`);
  }
  return found;
}

function normalizationValues(decomposed, ranked) {
  const values = new Uint8Array(codePoints);
  const value = (c) => values[c.codePointAt(0)];
  for (const [c, rank] of ranked) values[c.codePointAt(0)] = rank;
  for (const [c, [, second]] of decomposed) {
    values[c.codePointAt(0)] |= nfc(c) === c ? decomposes : decomposes | notQuick;
    if (nfc(c) === c) values[second.codePointAt(0)] |= notQuick;
  }
  for (const [c, [, second]] of decomposed) {
    expect(second === '' || !decomposed.has(second), `${hex(c)}: its second decomposes`);
    if (nfc(c) !== c) continue;
    expect(value(c) === decomposes, `${hex(c)} composes and is a second`);
    expect(value([...nfd(c)][0]) === 0, `${hex(c)} does not begin with a starter`);
  }
  return values;
}

/** Lines of numbers, as many as fit into each. */
function lines(items) {
  const found = [''];
  for (const item of items) {
    if (`${found.at(-1)}${item},`.length > maxColumns) found.push('');
    found[found.length - 1] += `${item},`;
  }
  return found.join('\n');
}

/** The arrays kNAMEBlocks and kNAMEValues. Blocks of zeros at the end are left out. */
function twoStageTable(name, values) {
  const numberOf = new Map();
  const blocks = [];
  for (let begin = 0; begin < codePoints; begin += blockSize) {
    const block = values.subarray(begin, begin + blockSize).join();
    if (!numberOf.has(block)) numberOf.set(block, numberOf.size);
    blocks.push(numberOf.get(block));
  }
  expect(numberOf.size <= 256, `${numberOf.size} blocks`);
  const used = blocks.findLastIndex((block) => block !== 0) + 1;
  const distinct = [...numberOf.keys()].flatMap((block) => block.split(','));
  return `const uint8_t k${name}Blocks[kUnicodeBlocks] = {
${lines(blocks.slice(0, used))}
};
const uint8_t k${name}Values[] = {
${lines(distinct)}
};`;
}

function generate() {
  const decomposed = decompositions();
  // Hangul syllables are composed by arithmetic.
  const rows = [...decomposed]
    .map(([c, [first, second]]) => ({
      numbers: [c, first, second].map((each) => (each === '' ? 0 : each.codePointAt(0))),
      composes: nfc(c) === c,
    }))
    .filter(({ numbers: [c] }) => !isHangul(c));
  const compositions = [...rows.keys()]
    .filter((row) => rows[row].composes)
    .sort((x, y) => {
      const [, first, second] = rows[x].numbers;
      const [, otherFirst, otherSecond] = rows[y].numbers;
      return first - otherFirst || second - otherSecond;
    });

  return `\
// Generated by scripts/generate-unicode.mjs from Unicode 16.0 (classes) and Unicode 9.0 (NFC).
// Unicode data: copyright Unicode, Inc., https://www.unicode.org/license.txt
#include "tokenizer/unicode/unicode_tables.h"

namespace qwen3 {

// clang-format off
${twoStageTable('Class', classValues())}
${twoStageTable('Normalization', normalizationValues(decomposed, ranks()))}
static constexpr Decomposition kDecompositionRows[] = {
${lines(rows.map(({ numbers }) => `{${numbers.join()}}`))}
};
static constexpr uint16_t kCompositionRows[] = {
${lines(compositions)}
};
// clang-format on

const std::span<const Decomposition> kDecompositions = kDecompositionRows;
const std::span<const uint16_t> kCompositions = kCompositionRows;

}  // namespace qwen3
`;
}

function main() {
  const target = path.join(root, file);
  const text = generate();
  if (!process.argv.includes('--check')) {
    fs.writeFileSync(target, text);
  } else if (!fs.existsSync(target) || fs.readFileSync(target, 'utf8') !== text) {
    throw new Error(
      `${file} is not what its script writes: run node scripts/generate-unicode.mjs and commit it.`,
    );
  }
}

if (isMain(import.meta)) {
  try {
    main();
  } catch (error) {
    fail(error);
  }
}
