// The package has no types of its own.
declare module 'node-gyp-build' {
  /** The file that was built for this platform below a package's folder. Throws where there is none. */
  function resolve(folder: string): string;
  export default { resolve };
}
