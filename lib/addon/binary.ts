// The loaded native addon. Importing this file loads it and throws if that fails, so only code that
// calls the addon imports it.

import { join } from 'node:path';
import { loadAddon } from './load_addon';

// Tools that collect the files of a program (@vercel/nft, Next.js, ncc) evaluate these expressions
// and take all files of the two folders, the CUDA library included. Keep the form: `join`, imported
// by name, with one string that has `__dirname`. It is the only one that all of them understand.
export const addon = loadAddon(
  join(`${__dirname}/../../build/Release`),
  join(`${__dirname}/../../prebuilds`),
);
