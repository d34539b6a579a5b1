// Preloaded by Node, for an archive laid out as a folder: Electron shows files that the archive leaves outside as if they
// were inside, and loads a .node from app.asar.unpacked.
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
