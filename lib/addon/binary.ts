// The native addon itself. Importing this file loads it and fails where there is none, so only what calls native does.

import path from 'node:path';
import { loadAddon } from './load_addon';
import type { Addon } from './types';

export const addon = loadAddon(path.join(__dirname, '..', '..')) as Addon;
