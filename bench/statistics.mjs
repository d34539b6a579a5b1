// Medians, spreads and tables.

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Half the range of the values, as a share of their median. */
export function spread(values) {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values);
}

/** The values' median and spread, such as `123 ±4 %`. */
export function summary(values, digits = 0) {
  if (values.length === 0) return '-';
  const deviation = values.length > 1 ? ` ±${(100 * spread(values)).toFixed(0)} %` : '';
  return `${median(values).toFixed(digits)}${deviation}`;
}

/** Prints a table. The first column is aligned to the left, the others to the right. */
export function printTable(title, heading, rows) {
  const lines = [heading, ...rows].map((row) => row.map(String));
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const pad = (cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]));
  const print = (line) => console.log(`  ${line.map(pad).join('   ')}`);
  console.log(`\n${title}`);
  print(lines[0]);
  console.log(`  ${widths.map((width) => '-'.repeat(width)).join('   ')}`);
  lines.slice(1).forEach(print);
}
