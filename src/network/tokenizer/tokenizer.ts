/**
 * Any `tokenizer.json` as a tokenizer: text to ids and back, exactly as Hugging Face's Rust library does it.
 *
 * Text in this project is hostile by default, so `encode` treats special tokens in it as ordinary text unless asked.
 * The stages stand in files of their own (`normalizers.ts`, `pre-tokenizers.ts`, `bpe.ts`, ...). Departures from the
 * Rust library: `truncation` and `padding` of the file are not applied (a prompt must never be cut silently), pairs of
 * texts are not encoded, and lone surrogates become U+FFFD.
 */
import { show } from '../../core/errors.ts';
import { addedTokensAt, makeAddedTokenSearch, type AddedToken, type MayStand } from './added-tokens.ts';
import { alignText, sliceText, type AlignedText } from './aligned-text.ts';
import { makeBpe } from './bpe.ts';
import { decodeStreamOf, type DecodeStream } from './decode-stream.ts';
import { decoderAt } from './decoders.ts';
import { asFields, badField, optionalFields, textAt, type Fields } from './fields.ts';
import { normalizerAt } from './normalizers.ts';
import { surroundAt } from './post-processors.ts';
import { preTokenizerAt } from './pre-tokenizers.ts';
import { makeUnigram } from './unigram.ts';
import type { TokenizerModel } from './vocabulary.ts';
import { makeWordLevel, makeWordPiece } from './word-models.ts';

/** How to encode. */
export interface EncodeOptions {
  /**
   * What a special token's string in the text means: `'text'` (the default) its characters, never its id; `'control'`
   * the token, as in Hugging Face's libraries. A function decides place by place, by UTF-16 units of the text.
   */
  readonly specialTokens?: 'text' | 'control' | ((start: number, end: number) => boolean);
  /** Whether the tokens that the file puts around every text (`<s>`, `[CLS]`) are added; true unless told. */
  readonly addSpecialTokens?: boolean;
}

/** Ids with the UTF-16 units of the text that each stands for; added ones stand for nothing (`start === end`). */
export interface Encoding {
  readonly ids: number[];
  readonly offsets: (readonly [start: number, end: number])[];
}

/** How to decode. */
export interface DecodeOptions {
  /** Leave special tokens out; false unless told. */
  readonly skipSpecialTokens?: boolean;
}

/** Text to ids and back. */
export interface Tokenizer {
  /** One more than the largest id: the rows that an embedding needs at least. */
  readonly vocabularySize: number;
  /** Special tokens, content to id. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** All added tokens, special or not. */
  readonly addedTokens: readonly AddedToken[];
  encode(text: string, options?: EncodeOptions): number[];
  encodeWithOffsets(text: string, options?: EncodeOptions): Encoding;
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** Decodes token by token; what it gives joins to what `decode` gives. */
  decodeStream(options?: DecodeOptions): DecodeStream;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

/** Where a tokenizer came from, and what its configuration adds. */
export interface TokenizerOptions {
  /** The file's name, for messages. */
  readonly file?: string;
  /** Further tokens to treat as special, as `tokenizer_config.json` names them. */
  readonly specialTokens?: readonly string[];
}

/**
 * Makes a tokenizer from the parsed content of a `tokenizer.json`.
 *
 * @throws FiducialError `tokenizer.field` with file and field, when a part is missing, wrong or of an unknown kind
 * @example
 * const tokenizer = tokenizerFromJson(JSON.parse(text));
 * tokenizer.decode(tokenizer.encode('Hello'));
 */
export function tokenizerFromJson(json: unknown, options: TokenizerOptions = {}): Tokenizer {
  const file = asFields(json, options.file ?? 'tokenizer.json', '');
  const model = modelAt(file);
  const normalize = normalizerAt(file);
  const preTokenize = preTokenizerAt(file);
  const surround = surroundAt(file);
  const decodeTokens = decoderAt(file);
  const { added, specialTokens } = readAdded(file, model, options.specialTokens ?? []);

  const addedById = new Map(added.map((token) => [token.id, token]));
  const addedByContent = new Map(added.map((token) => [token.content, token]));
  const specialIds = new Set(specialTokens.values());
  // What a token matches in the text is also what it decodes to: for a normalized one, its normalized content.
  const textOf = ({ content, isNormalized }: AddedToken): string =>
    isNormalized && normalize !== undefined ? normalize(alignText(content)).text : content;
  const search = (tokens: readonly AddedToken[]): ReturnType<typeof makeAddedTokenSearch> =>
    makeAddedTokenSearch(tokens.map((token) => ({ token, text: textOf(token) })));
  const searchRaw = search(added.filter((token) => !token.isNormalized));
  const searchNormalized = search(added.filter((token) => token.isNormalized));
  const addedTexts = new Map(added.map((token) => [token.id, textOf(token)]));
  // Two functions for the tokenizer's life, by which models keep their caches apart.
  const allowAll = (): boolean => true;
  const allowText = (id: number): boolean => !specialIds.has(id);

  const tokenOf = (id: number): string | undefined => addedById.get(id)?.content ?? model.tokenOf(id);

  function encodeWithOffsets(text: string, { specialTokens = 'text', addSpecialTokens = true }: EncodeOptions = {}) {
    const ids: number[] = [];
    const offsets: (readonly [number, number])[] = [];
    const add = (id: number, start: number, end: number): void => {
      ids.push(id);
      offsets.push([start, end]);
    };
    const isAllowed = specialTokens === 'control' ? allowAll : allowText;
    const mayStand: MayStand = (token, start, end) =>
      !token.isSpecial ||
      specialTokens === 'control' ||
      (typeof specialTokens === 'function' && specialTokens(start, end));

    const cut = (source: AlignedText, search: typeof searchRaw, rest: (part: AlignedText) => void): void => {
      const inOriginal: MayStand = (token, start, end) => mayStand(token, source.starts[start]!, source.ends[end - 1]!);
      let position = 0;
      for (const { start, end, token } of search(source.text, inOriginal)) {
        if (start > position) rest(sliceText(source, position, start));
        if (end > start) add(token.id, source.starts[start]!, source.ends[end - 1]!);
        position = end;
      }
      if (position < source.text.length) rest(sliceText(source, position, source.text.length));
    };
    const tokenize = (piece: AlignedText): void => {
      const tokens = model.tokenize(piece.text, isAllowed);
      for (const [i, id] of tokens.ids.entries()) {
        add(id, piece.starts[tokens.starts[i]!]!, piece.ends[tokens.ends[i]! - 1]!);
      }
    };

    if (addSpecialTokens) for (const id of surround.before) add(id, 0, 0);
    // A lone surrogate has no UTF-8; the replacement character takes its place, as in the Rust library's bindings.
    cut(alignText(text.replaceAll(/\p{Cs}/gu, '\ufffd')), searchRaw, (raw) => {
      cut(normalize === undefined ? raw : normalize(raw), searchNormalized, (part) => {
        if (preTokenize === undefined) tokenize(part);
        else for (const piece of preTokenize(part)) tokenize(piece);
      });
    });
    if (addSpecialTokens) for (const id of surround.after) add(id, text.length, text.length);
    return { ids, offsets };
  }

  function decode(ids: Iterable<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = addedTexts.get(id) ?? model.tokenOf(id);
      if (token !== undefined && !(skipSpecialTokens && specialIds.has(id))) tokens.push(token);
    }
    return decodeTokens(tokens);
  }

  return {
    vocabularySize: added.reduce((last, { id }) => Math.max(last, id), model.lastId) + 1,
    specialTokens,
    addedTokens: added,
    encode: (text, encodeOptions) => encodeWithOffsets(text, encodeOptions).ids,
    encodeWithOffsets,
    decode,
    decodeStream: (decodeOptions) => decodeStreamOf((ids) => decode(ids, decodeOptions)),
    idOf: (token) => addedByContent.get(token)?.id ?? model.idOf(token),
    tokenOf,
  };
}

function readAdded(
  file: Fields,
  model: TokenizerModel,
  named: readonly string[],
): { added: AddedToken[]; specialTokens: Map<string, number> } {
  const extra = new Set(named);
  const byContent = new Map<string, AddedToken>();
  let nextId = model.size;
  for (const token of addedTokensAt(file)) {
    // As the Rust library does: a token of the vocabulary keeps its id there, any other takes the next free one, and
    // the id in the file is what the writer saw, which is the same unless the file was edited by hand.
    const id = model.idOf(token.content) ?? byContent.get(token.content)?.id ?? nextId;
    if (id >= nextId) nextId = id + 1;
    byContent.set(token.content, { ...token, id, isSpecial: token.isSpecial || extra.has(token.content) });
  }
  const added = [...byContent.values()];
  const specialTokens = new Map(added.filter(({ isSpecial }) => isSpecial).map(({ content, id }) => [content, id]));
  // A name in the configuration that only the vocabulary holds is special too, so the model must not make it from
  // text; but some configurations name an ordinary token for padding ("!"), which text must keep.
  for (const name of extra) {
    const id = model.idOf(name);
    if (id !== undefined && /^(?:<.+>|\[.+\])$/su.test(name)) specialTokens.set(name, id);
  }
  return { added, specialTokens };
}

function modelAt(file: Fields): TokenizerModel {
  const model = optionalFields(file, 'model');
  if (model === undefined) throw badField(file, 'model', 'is missing');
  const type = model.object.type === undefined ? guessType(model.object) : textAt(model, 'type');
  switch (type) {
    case 'BPE':
      return makeBpe(model);
    case 'Unigram':
      return makeUnigram(model);
    case 'WordPiece':
      return makeWordPiece(model);
    case 'WordLevel':
      return makeWordLevel(model);
    default:
      throw badField(model, 'type', `is ${show(type)}; known are BPE, Unigram, WordPiece and WordLevel`);
  }
}

/** Files from before 2020 name no type; the fields tell the models apart. */
function guessType(model: Readonly<Record<string, unknown>>): string | undefined {
  if (model.merges !== undefined) return 'BPE';
  if (Array.isArray(model.vocab)) return 'Unigram';
  if (model.max_input_chars_per_word !== undefined) return 'WordPiece';
  return model.vocab === undefined ? undefined : 'WordLevel';
}
