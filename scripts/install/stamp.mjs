// Skips a build step whose inputs are unchanged since it last ran, by their names, sizes and
// modification times. The check costs a few milliseconds.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root folder of the checkout. */
export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Runs `step` unless `output` exists and the inputs are unchanged since `step` last ran. Inputs and
 * output are paths of files or folders, relative to the root.
 */
export async function unlessUnchanged(name, inputs, output, step) {
  const stampFile = path.join(root, 'build', `${name}.stamp`);
  const before = fingerprint(inputs);
  if (fs.existsSync(path.join(root, output)) && readIfPresent(stampFile) === before) return;
  await step();
  fs.mkdirSync(path.dirname(stampFile), { recursive: true });
  fs.writeFileSync(stampFile, before); // the state before the step: an edit during it is not missed
}

function fingerprint(inputs) {
  const lines = [root]; // a moved or copied checkout runs every step again
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
