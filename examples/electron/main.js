// The main process: opens the window, starts the utility process that holds the model, carries questions to it.
//
//   npm start -- <model folder>            a window
//   npm start -- --smoke <model folder>    no window: embeds once, prints, ends

const path = require('node:path');
const { app, BrowserWindow, ipcMain, utilityProcess } = require('electron');

const folder = path.resolve(process.argv.filter((word) => !word.startsWith('-')).at(-1));

/** Starts the utility process. Gives a function that asks it for the vectors of texts. */
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
  console.log(
    `${vector.length} dimensions, length ${length.toFixed(6)}, Electron ${process.versions.electron}`,
  );
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
