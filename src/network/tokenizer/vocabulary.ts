/**
 * What the four tokenizer models share: the vocabulary, and the form of their results.
 *
 * A model tokenizes one piece of text. `isText` keeps ids out: in text that a user wrote, a control token's id must not
 * come out of the model either, whatever its vocabulary holds (in Hugging Face's files control tokens are vocabulary
 * too, and a unigram or word model would happily produce them).
 */
import { show } from '../../core/errors.ts';
import { badField, isId, isRecord, type Fields } from './fields.ts';

/** Tokens of one piece, with the units of the piece that each stands for. */
export interface Pieces {
  readonly ids: number[];
  readonly starts: number[];
  readonly ends: number[];
}

/** Turns one piece of text into tokens. */
export interface TokenizerModel {
  /** @param isAllowed which ids may come out; the unknown token may always */
  tokenize(text: string, isAllowed: (id: number) => boolean): Pieces;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  /** Number of distinct tokens. */
  readonly size: number;
  /** The largest id, or -1. */
  readonly lastId: number;
  readonly unknownId?: number | undefined;
}

/** Tokens and ids, both ways. */
export interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly tokens: ReadonlyMap<number, string>;
  readonly lastId: number;
}

/**
 * The vocabulary at `vocab`: an object of token to id.
 *
 * @throws FiducialError `tokenizer.field`
 */
export function vocabularyAt(model: Fields): Vocabulary {
  const value = model.object.vocab;
  if (!isRecord(value)) {
    throw badField(model, 'vocab', value === undefined ? 'is missing' : `is ${show(value)}, not an object of ids`);
  }
  const ids = new Map<string, number>();
  const tokens = new Map<number, string>();
  let lastId = -1;
  for (const [token, id] of Object.entries(value)) {
    if (!isId(id)) throw badField(model, `vocab[${show(token)}]`, `is ${show(id)}, not an id`);
    ids.set(token, id);
    tokens.set(id, token);
    if (id > lastId) lastId = id;
  }
  return { ids, tokens, lastId };
}

/** Pairs of texts at `merges`, in either of the format's two spellings: `"a b"` and `["a", "b"]`. */
export function mergesAt(model: Fields): [string, string][] {
  const value = model.object.merges;
  if (!Array.isArray(value)) {
    throw badField(model, 'merges', value === undefined ? 'is missing' : `is ${show(value)}, not a list`);
  }
  return value.map((merge: unknown, i) => {
    const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    if (parts.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right];
    throw badField({ file: model.file, path: model.path }, `merges[${i}]`, `is ${show(merge)}, not two tokens`);
  });
}

/** SentencePiece's names for the bytes of `text`: `<0x0A>`. */
export function byteTokens(text: string): string[] {
  return Array.from(utf8.encode(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
}

const utf8 = new TextEncoder();
