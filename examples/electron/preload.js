// The API that the page can use.

const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('embedder', {
  embed: (texts, instruction) => ipcRenderer.invoke('embed', texts, instruction),
});
