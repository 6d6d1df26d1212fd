/**
 * The decoders of a `tokenizer.json`: they turn the texts of tokens back into one text.
 *
 * Source: Hugging Face tokenizers, `src/decoders` and the decoding half of `ByteLevel` and `Metaspace` (0.23), by
 * behaviour. `@huggingface/tokenizers` is not used: it never strips more than one space in `Metaspace`, replaces invalid
 * bytes in `ByteFallback` differently, and cleans up text unasked.
 */
import { show } from '../../core/errors.ts';
import { CHARACTER_TO_BYTE } from './bytes.ts';
import { badField, booleanAt, countAt, listOfFields, optionalFields, textAt, type Fields } from './fields.ts';
import { patternAt } from './pattern.ts';
import { prependSchemeAt } from './pre-tokenizers.ts';

/** One step from texts of tokens to texts; the last step's texts are joined. */
export type Decoder = (tokens: readonly string[]) => string[];

const encoder = new TextEncoder();
// Incomplete and invalid bytes become U+FFFD; a byte order mark is kept as text.
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** WordPiece's clean-up of English punctuation, in the order in which it is applied. */
const CLEANUP: readonly [string, string][] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/**
 * The decoder at `decoder`; without one, tokens are joined by spaces.
 *
 * @throws FiducialError `tokenizer.field`
 */
export function decoderAt(file: Fields): (tokens: readonly string[]) => string {
  const fields = optionalFields(file, 'decoder');
  if (fields === undefined) return (tokens) => tokens.join(' ');
  const decode = makeDecoder(fields);
  return (tokens) => decode(tokens).join('');
}

/**
 * The decoder that `fields` describes.
 *
 * @throws FiducialError `tokenizer.field` for an unknown type or a wrong setting
 */
export function makeDecoder(fields: Fields): Decoder {
  const type = textAt(fields, 'type');
  switch (type) {
    case 'Sequence': {
      const parts = listOfFields(fields, 'decoders').map(makeDecoder);
      return (tokens) => parts.reduce<string[]>((texts, part) => part(texts), [...tokens]);
    }
    case 'ByteLevel':
      return byteLevel;
    case 'ByteFallback':
      return byteFallback;
    case 'Fuse':
      return (tokens) => [tokens.join('')];
    case 'Metaspace': {
      const replacement = textAt(fields, 'replacement');
      const dropsFirst = prependSchemeAt(fields) !== 'never';
      return (tokens) => tokens.map((token, i) => token.replaceAll(replacement, i === 0 && dropsFirst ? '' : ' '));
    }
    case 'Replace': {
      const pattern = patternAt(fields, 'pattern');
      const content = textAt(fields, 'content');
      return (tokens) => tokens.map((token) => token.replace(pattern, () => content));
    }
    case 'Strip':
      return strip(textAt(fields, 'content'), countAt(fields, 'start', 0), countAt(fields, 'stop', 0));
    case 'WordPiece':
      return wordPiece(textAt(fields, 'prefix', '##'), booleanAt(fields, 'cleanup', true));
    case 'BPEDecoder': {
      const suffix = textAt(fields, 'suffix', '</w>');
      return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '));
    }
    case 'CTC':
      return ctc(fields);
    default:
      throw badField(fields, 'type', `is ${show(type)}, a decoder that is not known here`);
  }
}

function byteLevel(tokens: readonly string[]): string[] {
  const bytes = tokens.flatMap((token) => {
    const own = Array.from(token, (character) => CHARACTER_TO_BYTE.get(character));
    // A token with a character outside the alphabet (an added one) stands for its own text.
    return own.every((byte) => byte !== undefined) ? own : [...encoder.encode(token)];
  });
  return [lossy.decode(Uint8Array.from(bytes))];
}

function byteFallback(tokens: readonly string[]): string[] {
  const texts: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    texts.push(validText(bytes) ?? '\ufffd'.repeat(bytes.length));
    bytes = [];
  };
  for (const token of tokens) {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else {
      flush();
      texts.push(token);
    }
  }
  flush();
  return texts;
}

function validText(bytes: readonly number[]): string | undefined {
  try {
    return strict.decode(Uint8Array.from(bytes));
  } catch {
    // Not UTF-8, which is an answer here: the caller writes one replacement character a byte.
    return undefined;
  }
}

function strip(content: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const characters = Array.from(token);
      let from = 0;
      while (from < start && characters[from] === content) from++;
      let to = characters.length;
      while (characters.length - to < stop && to > from && characters[to - 1] === content) to--;
      return characters.slice(from, to).join('');
    });
}

function cleanUp(text: string): string {
  return CLEANUP.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
}

function wordPiece(prefix: string, cleans: boolean): Decoder {
  return (tokens) =>
    tokens.map((token, i) => {
      let text = token;
      if (i > 0) text = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      return cleans ? cleanUp(text) : text;
    });
}

function ctc(fields: Fields): Decoder {
  const pad = textAt(fields, 'pad_token', '<pad>');
  const delimiter = textAt(fields, 'word_delimiter_token', '|');
  const cleans = booleanAt(fields, 'cleanup', true);
  return (tokens) =>
    tokens
      .filter((token, i) => token !== tokens[i - 1])
      .map((token) => {
        const text = pad === '' ? token : token.replaceAll(pad, '');
        return cleans ? cleanUp(text).replaceAll(delimiter, ' ') : text;
      })
      .filter((text) => text !== '');
}
