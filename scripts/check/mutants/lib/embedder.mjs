export const file = 'lib/embedder.ts';
export const suite = 'embedder/embedder';

const shared = 'shares weights until the last embedder is closed or garbage-collected';
const frees = 'frees the tokenizer';
const nonFinite = 'fails without affecting other texts on cpu';

export const mutants = [
  {
    name: 'a load that fails late keeps its model',
    text: "if (loaded.status === 'fulfilled') addon.unload(loaded.value.model);",
    replacement: '',
    tests: 'rejects a broken tokenizer',
  },
  {
    name: 'a load that fails late keeps its tokenizer',
    text: "if (opened.status === 'fulfilled') opened.value?.close();",
    replacement: '',
    tests: frees,
  },
  {
    name: 'weights are read although the tokenizer is broken',
    text: 'work?.catch((error) => cancellation.cancel(error));',
    replacement: 'work?.catch(() => {});',
    tests: 'rejects a broken tokenizer',
  },
  {
    name: 'close does not unload the model',
    text: '  addon.unload(model);\n',
    replacement: '',
    tests: shared,
  },
  {
    name: 'close does not free the tokenizer',
    text: '  tokenizer?.close();\n',
    replacement: '',
    tests: frees,
  },
  {
    name: 'a garbage-collected embedder keeps its model',
    text: 'finalization.register(this, { model: loaded.model, tokenizer }, this);',
    replacement: '',
    tests: shared,
  },
  {
    name: 'a closed embedder frees its tokenizer once more when it is garbage-collected',
    text: 'finalization.unregister(this);',
    replacement: '',
    tests: frees,
  },
  {
    name: 'a load that is aborted at its last moment keeps its model',
    text: 'cancellation.onCancel(() => embedder.close());',
    replacement: '',
    suite: 'embedder/abort_signals',
    tests: 'keeps no model',
  },
  {
    name: 'close does not wait for running calls',
    text: 'await Promise.allSettled(this.#running);',
    replacement: '',
    tests: 'close waits for running calls',
  },
  {
    name: 'close resolves before those who await its last call go on',
    text: 'await yieldToEventLoop(); // so',
    replacement: '// so',
    tests: 'close waits for running calls',
  },
  {
    name: 'each close is another promise',
    text: 'this.#closing ??= this.#close();',
    replacement: 'this.#closing = this.#close();',
    tests: 'close waits for running calls',
  },
  {
    name: 'a closed embedder accepts calls',
    text: 'if (this.#closing)\n',
    replacement: 'if (this.#closing && !signal === undefined)\n',
    tests: 'close waits for running calls',
  },
  {
    name: 'settled calls are kept',
    text: 'return call.finally(() => this.#running.delete(call));',
    replacement: 'return call;',
    suite: 'embedder/event_loop',
    tests: 'a call that has settled holds nothing',
  },
  {
    name: 'files that changed during the load are accepted',
    text: 'await folder.refuseChanges();',
    replacement: '',
    suite: 'embedder/changed_files',
    tests: 'a load refuses',
  },
  {
    name: 'an error of onProgress is ignored',
    text: 'cancellation.cancel(error);\n        }',
    replacement: '}',
    tests: 'rejects with the error that onProgress throws',
  },
  {
    name: "the device is an object of native's realm",
    text: '{ ...loaded, device: { ...loaded.device } }',
    replacement: 'loaded',
    suite: 'embedder/realms',
    tests: 'the device and promises are of the realm',
  },
  {
    name: "maxTokens is the config's, although the GPU has memory for fewer",
    text: 'return this.#loaded.maxTokens;',
    replacement: 'return this.#checkpoint.source.config.maxPositions;',
    suite: 'embedder/cuda',
    tests: 'else lowers maxTokens',
  },
  {
    name: "the longest text is the config's, although the GPU has memory for less",
    text: 'maxTokens: this.maxTokens,',
    replacement: 'maxTokens: this.#checkpoint.source.config.maxPositions,',
    suite: 'embedder/cuda',
    tests: 'else lowers maxTokens',
  },
  {
    name: 'maxBatchTokens is ignored',
    text: 'request.maxBatchTokens ?? loaded.batchTokens',
    replacement: 'loaded.batchTokens',
    suite: 'embedder/cuda',
    tests: 'is limited by maxBatchTokens',
  },
  {
    name: 'batchInvariant is ignored',
    text: 'this.#batchInvariant = request.batchInvariant;',
    replacement: 'this.#batchInvariant = false;',
    suite: 'embedder/cuda',
    tests: 'with batchInvariant',
  },
  {
    name: 'QWEN3_EMBED_CPU is ignored',
    text: 'QWEN3_EMBED_CPU: ',
    replacement: 'NO_SUCH_VARIABLE: ',
    suite: 'embedder/vectors',
    tests: 'scalar',
  },
  {
    name: 'the reason why the CPU was chosen is not logged',
    text: "if (loaded.value.note !== '') debug('%s', loaded.value.note);",
    replacement: '',
    suite: 'embedder/cuda',
    tests: 'that has no library gets an error',
  },
  {
    name: "the room in V8's heap is not checked",
    text: 'refuseTooMany(inputs.length);',
    replacement: '',
    suite: 'embedder/event_loop',
    tests: 'the JavaScript heap has no room',
  },
  {
    name: 'a function that waits keeps its inputs',
    text: 'return this.#run(request.signal, (cancellation) => this.#embed(',
    replacement: 'return await this.#run(request.signal, (cancellation) => this.#embed(',
    suite: 'embedder/event_loop',
    tests: 'holds neither its inputs nor their list',
  },
  {
    name: 'vectors that are not finite are returned as zeros',
    text: 'if (nonFinite.length === 0) return',
    replacement: 'if (nonFinite.length >= 0) return',
    tests: nonFinite,
  },
  {
    name: 'the vectors of an error are not null where they are not finite',
    text: 'for (const index of indices) finite[index] = null;',
    replacement: '',
    tests: nonFinite,
  },
];
