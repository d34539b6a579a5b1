// The page: ranks the texts, one per line, by their similarity to the query.

const element = (id) => document.getElementById(id);
const instruction = 'Given a web search query, retrieve relevant passages that answer the query';

element('search').addEventListener('submit', async (event) => {
  event.preventDefault();
  const texts = element('documents')
    .value.split('\n')
    .filter((text) => text.trim() !== '');
  const [query] = await window.embedder.embed([element('query').value], instruction);
  const vectors = await window.embedder.embed(texts);
  const score = (vector) => vector.reduce((sum, value, i) => sum + value * query[i], 0);
  const ranked = texts
    .map((text, i) => ({ text, score: score(vectors[i]) }))
    .sort((a, b) => b.score - a.score);
  element('found').replaceChildren(
    ...ranked.map(({ text, score }) =>
      Object.assign(document.createElement('li'), { textContent: `${score.toFixed(3)}  ${text}` }),
    ),
  );
});
