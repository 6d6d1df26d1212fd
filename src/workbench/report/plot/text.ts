/** Text inside drawings: how wide it is about, and how it is broken into lines. */

/** Width of a text in a sans-serif face, from the face's average; a layout needs no more, and no browser. */
export function widthOf(text: string, size: number): number {
  let width = 0;
  for (const character of text)
    width += /[ilj.,:;'|!()[\] ]/.test(character) ? 0.32 : /[mwMW%@]/.test(character) ? 0.9 : 0.57;
  return width * size;
}

/** A text that fits, cut with an ellipsis where it is too long. */
export function cut(text: string, most: number, size: number): string {
  if (widthOf(text, size) <= most) return text;
  const characters = [...text];
  while (characters.length > 1 && widthOf(`${characters.join('')}…`, size) > most) characters.pop();
  return `${characters.join('')}…`;
}

/** Lines of at most this width and number; the last one is cut where more would follow. */
export function wrapped(text: string, most: number, size: number, lines: number): string[] {
  const out: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer, size) <= most || line === '') line = longer;
    else {
      out.push(line);
      line = word;
    }
  }
  if (line !== '') out.push(line);
  const kept = out.slice(0, lines).map((each) => cut(each, most, size));
  if (out.length > lines) kept[lines - 1] = cut(`${out[lines - 1]} …`, most, size);
  return kept;
}
