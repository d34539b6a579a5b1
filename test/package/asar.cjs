// Preloaded by Node, for an archive laid out as a folder: Electron takes a .node file that the archive leaves outside
// from app.asar.unpacked.
const path = require('node:path');

const load = process.dlopen;
process.dlopen = (module, file, ...flags) => {
  const outside = file.replace(`app.asar${path.sep}`, `app.asar.unpacked${path.sep}`);
  return load(module, outside, ...flags);
};
