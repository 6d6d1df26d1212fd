/**
 * SentencePiece's `Precompiled` normalizer: a table of rewrites, as T5, XLM-R and many others carry it.
 *
 * The charsmap is base64 of: the trie's length in bytes (uint32), a Darts double-array trie over UTF-8 bytes, and the
 * replacement texts, each closed by a zero byte (sentencepiece `normalizer.cc`, `builder.cc`; darts-clone's unit layout).
 * Applied as Hugging Face's `normalizers/precompiled.rs` does, which differs from SentencePiece itself: per grapheme
 * cluster of fewer than six bytes, else per character, and the shortest matching rule replaces the whole cluster.
 */
import { editText, type AlignedText, type Edit } from './aligned-text.ts';
import { badField, optionalTextAt, type Fields } from './fields.ts';

const encoder = new TextEncoder();
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/**
 * @throws FiducialError `tokenizer.field` when the charsmap is not what it says
 */
export function precompiledNormalizer(fields: Fields): (text: AlignedText) => AlignedText {
  const base64 = optionalTextAt(fields, 'precompiled_charsmap') ?? '';
  if (base64 === '') return (text) => text;
  const bytes = Buffer.from(base64, 'base64');
  const trieBytes = bytes.length >= 4 ? bytes.readUInt32LE(0) : Infinity;
  if (trieBytes % 4 !== 0 || trieBytes > bytes.length - 4) {
    throw badField(fields, 'precompiled_charsmap', `says its trie has ${trieBytes} bytes, but holds ${bytes.length}`);
  }
  const units = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < units.length; i++) units[i] = bytes.readUInt32LE(4 + 4 * i);
  const texts = bytes.subarray(4 + trieBytes);

  const rewrite = (chunk: string): string | undefined => {
    const offset = shortestPrefix(units, encoder.encode(chunk));
    if (offset === undefined || offset >= texts.length) return undefined;
    const end = texts.indexOf(0, offset);
    return texts.toString('utf8', offset, end < 0 ? texts.length : end);
  };
  return (text) => {
    const edits: Edit[] = [];
    const add = (start: number, chunk: string, content: string): void => {
      if (content !== chunk) edits.push({ start, end: start + chunk.length, content });
    };
    for (const { segment, index } of clusters(text.text)) {
      const whole = Buffer.byteLength(segment) < 6 ? rewrite(segment) : undefined;
      if (whole !== undefined) {
        add(index, segment, whole);
        continue;
      }
      let at = index;
      for (const character of segment) {
        add(at, character, rewrite(character) ?? character);
        at += character.length;
      }
    }
    return editText(text, edits);
  };
}

/**
 * The grapheme clusters of `text`. `Intl.Segmenter` takes quadratic time, so it is given a window at a time; a window's
 * last cluster may go on beyond it, and is where the next one starts.
 */
function* clusters(text: string): Generator<{ segment: string; index: number }> {
  let size = WINDOW;
  for (let start = 0; start < text.length;) {
    const window = text.slice(start, start + size);
    const isLast = start + window.length === text.length;
    if (ASCII_LINE.test(window)) {
      // Each ASCII character but a carriage return is a cluster, the window's last one if nothing joins it.
      const whole = isLast ? window.length : window.length - 1;
      for (let i = 0; i < whole; i++) yield { segment: window[i]!, index: start + i };
      start += whole;
      continue;
    }
    const found = [...graphemes.segment(window)];
    if (!isLast) found.pop();
    for (const { segment, index } of found) yield { segment, index: start + index };
    const last = found.at(-1);
    // A single cluster that fills the window: look at more of the text.
    size = last === undefined ? size * 2 : WINDOW;
    start += last === undefined ? 0 : last.index + last.segment.length;
  }
}

const WINDOW = 256;
const ASCII_LINE = /^[\t\n -~]*$/;

/** The value of the shortest key of the trie that starts `key`; a step out of the array is no match. */
function shortestPrefix(units: Uint32Array, key: Uint8Array): number | undefined {
  const step = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let node = units[0] === undefined ? 0 : step(units[0]);
  for (const byte of key) {
    if (byte === 0) return undefined;
    node = (node ^ byte) >>> 0;
    const unit = units[node];
    if (unit === undefined || (unit & 0x800000ff) !== byte) return undefined;
    node = (node ^ step(unit)) >>> 0;
    if (((unit >>> 8) & 1) === 1) return (units[node] ?? 0) & 0x7fffffff;
  }
  return undefined;
}
