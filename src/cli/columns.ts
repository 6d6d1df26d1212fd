/**
 * Text in columns for a terminal: numbers to the right, words to the left, no colours and no frames, so that the result
 * can be piped into other programs. Needs nothing.
 */

/**
 * Lines of a table with a heading.
 *
 * @param rows one list of cells a row, as many as headings; numbers are given as text already formatted
 * @param right indices of the columns that are set to the right
 * @example columns(['kind', 'error'], [['logits', '1.2e-6']], [1]).join('\n');
 */
export function columns(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)));
  return [headings, ...rows].map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** A number of bytes as people read it: 1,024 is 1.0 KiB. */
export function readableBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} bytes` : `${value.toFixed(1)} ${units[unit]}`;
}
