// Formats values for error messages. They come from files and callers and may be of any size, so a
// message has only the start of them.

const maxCharacters = 60;
const maxItems = 8;

/** The start of a text. */
export function shorten(text: string, characters = maxCharacters): string {
  return text.length > characters ? `${text.slice(0, characters)}...` : text;
}

/** The first items, separated by commas. Arrays among them are shown as [...]. */
export function showItems(items: readonly unknown[]): string {
  const shown = items
    .slice(0, maxItems)
    .map((item) => (Array.isArray(item) ? '[...]' : show(item)));
  return shorten([...shown, ...(items.length > maxItems ? ['...'] : [])].join(', '), 200);
}

/** A JSON value: strings in quotes, arrays by their first items, objects not by their content. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return shorten(JSON.stringify(value.slice(0, maxCharacters)));
  if (Array.isArray(value)) return `[${showItems(value)}]`;
  return typeof value === 'object' && value !== null ? '{...}' : String(value);
}
