// Tells whether a step's inputs are as they were when it last ran, from names, sizes and times: a few milliseconds.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root. */
export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Runs `step` unless its inputs (files or folders below the root) are unchanged since it last ran and `output` exists. */
export async function unlessUnchanged(name, inputs, output, step) {
  const stampFile = path.join(root, 'build', `${name}.stamp`);
  const before = fingerprint(inputs);
  if (fs.existsSync(path.join(root, output)) && readIfPresent(stampFile) === before) return;
  await step();
  fs.mkdirSync(path.dirname(stampFile), { recursive: true });
  fs.writeFileSync(stampFile, before); // what was seen before the step, so that an edit during it is not missed
}

function fingerprint(inputs) {
  const lines = [root]; // a moved or copied checkout starts anew
  const visit = (relative) => {
    const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      for (const entry of fs.readdirSync(path.join(root, relative)).sort())
        visit(`${relative}/${entry}`);
    } else if (stat) {
      lines.push(`${relative} ${stat.size} ${stat.mtimeMs}`);
    }
  };
  inputs.forEach(visit);
  return lines.join('\n');
}

function readIfPresent(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}
