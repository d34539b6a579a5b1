// Two copies of the package in one process, as with two versions in a dependency tree. Arguments:
// the folders of both copies, the model's folder.
async function main() {
  const [first, second, folder] = process.argv.slice(2);
  const copies = [require(first), require(second)];
  if (copies[0].Embedder === copies[1].Embedder) throw new Error('one copy was loaded twice');
  const embedders = await Promise.all(copies.map(({ Embedder }) => Embedder.load(folder)));
  const vectors = await Promise.all(embedders.map((embedder) => embedder.embed('a text')));
  if (vectors[0].some((value, i) => value !== vectors[1][i]))
    throw new Error('the copies give different vectors');
  await Promise.all(embedders.map((embedder) => embedder.close()));
  console.log('embedded');
}

main();
