// node-gyp-build ships no types.
declare module 'node-gyp-build' {
  /** Path of the addon for this platform in a package's folder. Throws if there is none. */
  function resolve(folder: string): string;
  export default { resolve };
}
