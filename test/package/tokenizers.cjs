// Measures time and memory of loading the tokenizers package in a new process. Argument: the
// model's folder.
const path = require('node:path');

const megabytes = () => process.memoryUsage.rss() / 1e6;

function cost(what, body) {
  const [memory, begin] = [megabytes(), performance.now()];
  body();
  const milliseconds = (performance.now() - begin).toFixed(0);
  return `${what} ${milliseconds} ms, ${(megabytes() - memory).toFixed(0)} MB`;
}

let library;
const loading = cost('loads in', () => {
  library = require('tokenizers');
});
const reading = cost("reads the model's file in", () =>
  library.Tokenizer.fromFile(path.join(process.argv[2], 'tokenizer.json')),
);
console.log(`${loading}; ${reading}`);
