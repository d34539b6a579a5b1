// The package has no types of its own.
declare module 'node-gyp-build' {
  /** The file that was built for this platform below a package's folder. Throws where there is none. */
  function resolve(folder: string): string;
  // biome-ignore lint/style/noDefaultExport: it is what the package exports
  export default { resolve };
}
