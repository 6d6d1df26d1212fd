/**
 * Text that remembers where each of its UTF-16 units came from in the original, through normalization and splitting.
 *
 * Plain immutable data; every operation gives a new value. Positions count UTF-16 units, as JavaScript strings do.
 * An inserted character takes the place of its neighbour, as in Hugging Face's `NormalizedString`; a normalization form
 * is aligned per cluster of a base character and its marks, which is coarser than character by character.
 */

import { LATER_COMPATIBLE, LATER_DECOMPOSED } from './unicode-versions.ts';

/** `text`, with `starts[i]` and `ends[i]` the range in the original that unit `i` stands for. */
export interface AlignedText {
  readonly text: string;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** A part to be replaced; `start === end` inserts. Edits are in order and don't overlap. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly content: string;
}

/** A whole original text: each unit stands for itself. */
export function alignText(text: string): AlignedText {
  const starts = new Int32Array(text.length);
  const ends = new Int32Array(text.length);
  for (let i = 0; i < text.length; i++) {
    starts[i] = i;
    ends[i] = i + 1;
  }
  // Both halves of a surrogate pair stand for the whole character.
  for (let i = 0; i + 1 < text.length; i++) {
    if (isPairAt(text, i)) {
      ends[i] = i + 2;
      starts[i + 1] = i;
    }
  }
  return { text, starts, ends };
}

/** The part from `start` to `end`. */
export function sliceText(source: AlignedText, start: number, end: number): AlignedText {
  if (start === 0 && end === source.text.length) return source;
  return {
    text: source.text.slice(start, end),
    starts: source.starts.subarray(start, end),
    ends: source.ends.subarray(start, end),
  };
}

/** `source` with `edits` applied; replaced text stands for the whole range that it replaces. */
export function editText(source: AlignedText, edits: readonly Edit[]): AlignedText {
  if (edits.length === 0) return source;
  const length = edits.reduce(
    (sum, { start, end, content }) => sum + content.length - (end - start),
    source.text.length,
  );
  const starts = new Int32Array(length);
  const ends = new Int32Array(length);
  const parts: string[] = [];
  let from = 0;
  let to = 0;
  const keep = (end: number): void => {
    parts.push(source.text.slice(from, end));
    starts.set(source.starts.subarray(from, end), to);
    ends.set(source.ends.subarray(from, end), to);
    to += end - from;
  };
  for (const { start, end, content } of edits) {
    keep(start);
    parts.push(content);
    const first = source.starts[start] ?? source.ends[start - 1] ?? 0;
    const last = end > start ? (source.ends[end - 1] ?? first) : (source.ends[start] ?? first);
    starts.fill(first, to, to + content.length);
    ends.fill(last, to, to + content.length);
    to += content.length;
    from = end;
  }
  keep(source.text.length);
  return { text: parts.join(''), starts, ends };
}

/** Every match of the global `pattern` replaced by what `replace` gives. */
export function replaceMatches(source: AlignedText, pattern: RegExp, replace: (match: string) => string): AlignedText {
  const edits: Edit[] = [];
  for (const match of source.text.matchAll(pattern)) {
    const content = replace(match[0]);
    if (content !== match[0]) edits.push({ start: match.index, end: match.index + match[0].length, content });
  }
  return editText(source, edits);
}

/** `content` before a text that is not empty. */
export function prependText(source: AlignedText, content: string): AlignedText {
  return source.text === '' ? source : editText(source, [{ start: 0, end: 0, content }]);
}

/** Applies a Unicode normalization form, aligned cluster by cluster. */
export function normalizeForm(source: AlignedText, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): AlignedText {
  const whole = normalizeOlder(source.text, form);
  if (whole === source.text) return source;
  const byCluster = replaceMatches(source, CLUSTER, (cluster) => normalizeOlder(cluster, form));
  if (byCluster.text === whole) return byCluster;
  // A composition across clusters that the pattern doesn't know: the text is right, its alignment as a whole.
  return editText(source, [{ start: 0, end: source.text.length, content: whole }]);
}

/** As `String.normalize`, except that characters which the Rust library's tables don't decompose stay. */
function normalizeOlder(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): string {
  const kept = form === 'NFC' ? undefined : form === 'NFD' ? KEPT_BY_NFD : KEPT_BY_NFK;
  if (kept === undefined || !kept.test(text)) return text.normalize(form);
  return text
    .split(kept)
    .map((part, i) => (i % 2 === 1 ? part : part.normalize(form)))
    .join('');
}

const KEPT_BY_NFD = new RegExp(`([${LATER_DECOMPOSED}])`, 'u');
const KEPT_BY_NFK = new RegExp(`([${LATER_COMPATIBLE}])`, 'u');

/** A base with its marks; Hangul syllables and jamo stay together because they compose. */
const CLUSTER = /[\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff]+\p{M}*|\P{M}\p{M}*|\p{M}+/gu;

function isPairAt(text: string, i: number): boolean {
  const high = text.charCodeAt(i);
  if (high < 0xd800 || high > 0xdbff) return false;
  const low = text.charCodeAt(i + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}
