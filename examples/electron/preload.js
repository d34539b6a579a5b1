// All that the page may ask for.

const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('embedder', {
  embed: (texts, instruction) => ipcRenderer.invoke('embed', texts, instruction),
});
