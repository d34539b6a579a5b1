// How the scripts end on an error: they print its message, without a stack trace.

import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Prints the error's message and ends the process with `exitCode`. */
export function fail(error, exitCode = 1) {
  console.error(`\n${process.stderr.isTTY ? '\x1b[31merror\x1b[0m' : 'error'}: ${error.message}`);
  process.exit(exitCode);
}

/** Whether the module is the script that Node runs, not an import of it. */
export function isMain(meta) {
  return (
    process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(meta.url)
  );
}
