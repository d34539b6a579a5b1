// The package has no types of its own.
declare module 'node-gyp-build' {
  /** Loads the addon built for this platform below a package's folder. */
  export default function load(folder: string): unknown;
}
