// A program that imports the package. Arguments: the model's folder, a text, its expected vector as
// JSON.
import { Embedder } from 'qwen3-embed';

const [folder, text, expected] = process.argv.slice(2);
const embedder = await Embedder.load(folder);
const vector = await embedder.embed(text);
const cosine = JSON.parse(expected).reduce((sum, value, i) => sum + value * vector[i], 0);
if (!(cosine > 0.9999)) throw new Error(`1 - cos is ${1 - cosine}`);
await embedder.close();
console.log('embedded');
