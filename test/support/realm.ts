// Loads the built package in a realm of its own, as jest and node:vm do it: with built-in classes
// other than those of the addon and of Node's modules.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

const root = path.join(__dirname, '..', '..');
const dist = path.join(root, 'dist');
const parameters = ['module', 'exports', 'require', '__filename', '__dirname'];
// What the package needs of Node.
const shared = { process, Buffer, TextDecoder };

/**
 * A new realm with the package and `globals`. The returned function runs statements there, which
 * may await and return; `Embedder` and `EmbedderError` are defined.
 */
export function newRealm(globals: object = {}): (statements: string) => Promise<unknown> {
  const realm = vm.createContext({ ...shared, ...globals });
  const modules = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const loaded = modules.get(file);
    if (loaded) return loaded.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const native = createRequire(file);
    const require = (name: string) => {
      const found = native.resolve(name);
      return found.startsWith(dist) ? load(found) : native(name);
    };
    const code = readFileSync(file, 'utf8');
    const define = vm.compileFunction(code, parameters, { parsingContext: realm, filename: file });
    define(module, module.exports, require, file, path.dirname(file));
    return module.exports;
  };
  Object.assign(realm, load(path.join(dist, 'index.js')));
  return (statements) => vm.runInContext(`(async () => { ${statements} })()`, realm);
}
