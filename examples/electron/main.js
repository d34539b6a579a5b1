// The main process: opens the window, starts the utility process that loads the model, and forwards
// requests to it.
//
//   npm start -- <model folder>            opens a window
//   npm start -- --smoke <model folder>    no window: embeds a text, prints the result, exits

const path = require('node:path');
const { app, BrowserWindow, ipcMain, utilityProcess } = require('electron');

const folder = path.resolve(process.argv.filter((argument) => !argument.startsWith('-')).at(-1));

/** Starts the utility process. Returns a function that requests the vectors of texts from it. */
function startEmbedder() {
  const child = utilityProcess.fork(path.join(__dirname, 'embedder.js'), [folder], {
    serviceName: 'embedder',
  });
  const waiting = new Map();
  let next = 0;
  let ended;
  child.on('message', ({ id, vectors, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(vectors);
  });
  child.on('exit', (code) => {
    ended = new Error(`The embedder ended with ${code}.`);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  });
  return (texts, instruction) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      waiting.set(next, { resolve, reject });
      child.postMessage({ id: next++, texts, instruction });
    });
}

async function smoke(embed) {
  const [vector] = await embed(['Electron runs Chromium and Node in one program.']);
  const length = Math.hypot(...vector);
  const { electron } = process.versions;
  console.log(`${vector.length} dimensions, length ${length.toFixed(6)}, Electron ${electron}`);
  app.exit(Math.abs(length - 1) < 1e-5 ? 0 : 1);
}

app.whenReady().then(() => {
  const embed = startEmbedder();
  if (process.argv.includes('--smoke')) {
    return smoke(embed).catch((error) => {
      console.error(error);
      app.exit(1);
    });
  }
  ipcMain.handle('embed', (_event, texts, instruction) => embed(texts, instruction));
  const window = new BrowserWindow({
    webPreferences: { preload: path.join(__dirname, 'preload.js') },
  });
  return window.loadFile('index.html');
});

app.on('window-all-closed', () => app.quit());
