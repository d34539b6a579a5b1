// The loaded native addon. Importing this file loads it and throws if that fails, so only code that
// calls the addon imports it.

import path from 'node:path';
import { loadAddon } from './load_addon';
import type { Addon } from './types';

export const addon = loadAddon(path.join(__dirname, '..', '..')) as Addon;
