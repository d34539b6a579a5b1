// Preloaded by Node, to emulate Electron with an archive that is laid out as a folder. Electron
// presents unpacked files as if they were in the archive, and loads a .node from app.asar.unpacked.
const Module = require('node:module');
const path = require('node:path');

const resolve = Module._resolveFilename;
Module._resolveFilename = (request, parent, ...rest) => {
  if (!request.startsWith('.') || !request.endsWith('.node'))
    return resolve(request, parent, ...rest);
  const inside = path.resolve(path.dirname(parent.filename), request);
  return resolve(
    inside.replace(`app.asar${path.sep}`, `app.asar.unpacked${path.sep}`),
    parent,
    ...rest,
  );
};
