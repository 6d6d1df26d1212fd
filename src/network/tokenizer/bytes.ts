/**
 * GPT-2's byte alphabet: every byte as a printable character, so that a vocabulary of texts can hold any bytes.
 *
 * Source: Radford et al. 2019, `bytes_to_unicode` of the GPT-2 release: printable Latin-1 stands for itself, the other
 * bytes for U+0100 onward in order.
 */
import type { AlignedText } from './aligned-text.ts';

/** The character of each byte. */
export const BYTE_TO_CHARACTER: readonly string[] = makeAlphabet();

/** The byte of each character of the alphabet. */
export const CHARACTER_TO_BYTE: ReadonlyMap<string, number> = new Map(
  BYTE_TO_CHARACTER.map((character, byte) => [character, byte]),
);

const encoder = new TextEncoder();

/** `source` with each character written as the characters of its UTF-8 bytes. */
export function byteCharacters(source: AlignedText): AlignedText {
  const bytes = encoder.encode(source.text);
  const starts = new Int32Array(bytes.length);
  const ends = new Int32Array(bytes.length);
  let text = '';
  let to = 0;
  for (let i = 0; i < source.text.length;) {
    const code = source.text.codePointAt(i)!;
    const width = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (const end = to + width; to < end; to++) {
      text += BYTE_TO_CHARACTER[bytes[to]!]!;
      starts[to] = source.starts[i]!;
      ends[to] = source.ends[i]!;
    }
    i += code > 0xffff ? 2 : 1;
  }
  return { text, starts, ends };
}

function makeAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}
