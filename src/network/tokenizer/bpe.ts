/**
 * Byte-pair encoding (Sennrich et al. 2016), as `model.type: BPE` of a `tokenizer.json`.
 *
 * Source: Hugging Face tokenizers, `models/bpe` (0.23), by behaviour: a piece starts as characters (with the prefix of
 * inner characters and the suffix of the last), unknown characters become bytes or the unknown token, and the pair of
 * lowest rank, leftmost first, is merged until none is left. Dropout is training noise and is not applied.
 * `@huggingface/tokenizers` is not used: it has no prefix, and merges before it resolves unknown characters.
 */
import { FiducialError, show } from '../../core/errors.ts';
import { badField, booleanAt, ID_LIMIT, optionalTextAt, type Fields } from './fields.ts';
import { byteTokens, mergesAt, vocabularyAt, type Pieces, type TokenizerModel } from './vocabulary.ts';

/** Pieces and results kept for reuse: words repeat. */
const CACHE_SIZE = 10_000;
const CACHED_LENGTH = 256;

interface Symbols {
  readonly ids: number[];
  readonly starts: number[];
  readonly ends: number[];
}

/**
 * @throws FiducialError `tokenizer.field` for a vocabulary or merges that don't fit together
 */
export function makeBpe(model: Fields): TokenizerModel {
  const { ids, tokens, lastId } = vocabularyAt(model);
  const prefix = optionalTextAt(model, 'continuing_subword_prefix') ?? '';
  const suffix = optionalTextAt(model, 'end_of_word_suffix') ?? '';
  const unknown = optionalTextAt(model, 'unk_token');
  const fusesUnknown = booleanAt(model, 'fuse_unk', false);
  const fallsBackToBytes = booleanAt(model, 'byte_fallback', false);
  const ignoresMerges = booleanAt(model, 'ignore_merges', false);
  const merges = mergeTable(model, ids, prefix);
  const caches = new WeakMap<(id: number) => boolean, Map<string, Pieces>>();

  function unknownId(): number | undefined {
    if (unknown === undefined) return undefined;
    const id = ids.get(unknown);
    if (id !== undefined) return id;
    throw new FiducialError(
      'tokenizer.unknown',
      `${model.file}: model.unk_token is ${show(unknown)}, which model.vocab does not hold`,
      'Add it to the vocabulary, or set unk_token to null.',
    );
  }

  /** The characters of `text` as symbols, unknown ones resolved. */
  function symbolsOf(text: string, isAllowed: (id: number) => boolean): Symbols {
    const symbols: Symbols = { ids: [], starts: [], ends: [] };
    const add = (id: number, start: number, end: number): void => {
      symbols.ids.push(id);
      symbols.starts.push(start);
      symbols.ends.push(end);
    };
    let pending: { id: number; start: number; end: number } | undefined;
    const flush = (): void => {
      if (pending !== undefined) add(pending.id, pending.start, pending.end);
      pending = undefined;
    };
    let start = 0;
    for (const character of text) {
      const end = start + character.length;
      const symbol = (start > 0 ? prefix : '') + character + (end === text.length ? suffix : '');
      const id = ids.get(symbol);
      if (id !== undefined && isAllowed(id)) {
        flush();
        add(id, start, end);
      } else {
        const bytes = fallsBackToBytes ? byteTokens(symbol).map((token) => ids.get(token)) : [undefined];
        if (bytes.every((byte) => byte !== undefined)) {
          for (const byte of bytes) add(byte, start, end);
        } else {
          const unknownToken = unknownId();
          if (unknownToken !== undefined) {
            if (pending !== undefined && fusesUnknown) pending.end = end;
            else {
              flush();
              pending = { id: unknownToken, start, end };
            }
          }
        }
      }
      start = end;
    }
    flush();
    return symbols;
  }

  function tokenize(text: string, isAllowed: (id: number) => boolean): Pieces {
    if (ignoresMerges) {
      const id = ids.get(text);
      if (id !== undefined && isAllowed(id)) return { ids: [id], starts: [0], ends: [text.length] };
    }
    return mergeSymbols(symbolsOf(text, isAllowed), merges, isAllowed);
  }

  return {
    tokenize(text, isAllowed) {
      if (text.length > CACHED_LENGTH) return tokenize(text, isAllowed);
      let cache = caches.get(isAllowed);
      if (cache === undefined) caches.set(isAllowed, (cache = new Map()));
      let pieces = cache.get(text);
      if (pieces === undefined) {
        pieces = tokenize(text, isAllowed);
        if (cache.size >= CACHE_SIZE) cache.clear();
        cache.set(text, pieces);
      }
      return pieces;
    },
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokens.get(id),
    size: ids.size,
    lastId,
    unknownId: unknown === undefined ? undefined : ids.get(unknown),
  };
}

/** A pair of ids, as `left * ID_LIMIT + right`, to `rank * ID_LIMIT + id of the merged token`. */
function mergeTable(model: Fields, ids: ReadonlyMap<string, number>, prefix: string): Map<number, number> {
  const table = new Map<number, number>();
  for (const [rank, [left, right]] of mergesAt(model).entries()) {
    const merged = left + right.slice(prefix.length);
    const [a, b, c] = [left, right, merged].map((token) => {
      const id = ids.get(token);
      if (id !== undefined) return id;
      throw badField(model, `merges[${rank}]`, `needs ${show(token)}, which model.vocab does not hold`);
    });
    table.set(a! * ID_LIMIT + b!, rank * ID_LIMIT + c!);
  }
  return table;
}

/** Merges until no pair has a rank; a heap of candidates, so that a long piece takes n log n. */
function mergeSymbols(
  { ids, starts, ends }: Symbols,
  merges: ReadonlyMap<number, number>,
  isAllowed: (id: number) => boolean,
): Pieces {
  const count = ids.length;
  const next = Array.from({ length: count }, (_, i) => i + 1);
  const previous = Array.from({ length: count }, (_, i) => i - 1);
  const heap = new CandidateHeap();
  const offer = (at: number): void => {
    const after = next[at];
    if (at < 0 || after === undefined || after >= count) return;
    const entry = merges.get(ids[at]! * ID_LIMIT + ids[after]!);
    if (entry !== undefined && isAllowed(entry % ID_LIMIT)) heap.push(Math.floor(entry / ID_LIMIT), at);
  };
  for (let i = 0; i + 1 < count; i++) offer(i);
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const { rank, at } = top;
    const after = next[at]!;
    if (ids[at]! < 0 || after >= count) continue;
    // An earlier merge may have changed either side since this candidate was offered.
    const entry = merges.get(ids[at]! * ID_LIMIT + ids[after]!);
    if (entry === undefined || Math.floor(entry / ID_LIMIT) !== rank) continue;
    ids[at] = entry % ID_LIMIT;
    ends[at] = ends[after]!;
    ids[after] = -1;
    const beyond = next[after]!;
    next[at] = beyond;
    if (beyond < count) previous[beyond] = at;
    offer(previous[at]!);
    offer(at);
  }
  const alive = ids.map((_, i) => i).filter((i) => ids[i]! >= 0);
  return {
    ids: alive.map((i) => ids[i]!),
    starts: alive.map((i) => starts[i]!),
    ends: alive.map((i) => ends[i]!),
  };
}

/** A binary heap of merge candidates: lowest rank first, leftmost first among equals. */
class CandidateHeap {
  readonly #ranks: number[] = [];
  readonly #places: number[] = [];

  push(rank: number, at: number): void {
    let child = this.#ranks.length;
    this.#ranks.push(rank);
    this.#places.push(at);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  pop(): { rank: number; at: number } | undefined {
    const rank = this.#ranks[0];
    const at = this.#places[0];
    if (rank === undefined || at === undefined) return undefined;
    const last = this.#ranks.length - 1;
    this.#swap(0, last);
    this.#ranks.pop();
    this.#places.pop();
    for (let parent = 0; ;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < last && this.#isBefore(child, least)) least = child;
      }
      if (least === parent) return { rank, at };
      this.#swap(parent, least);
      parent = least;
    }
  }

  #isBefore(i: number, j: number): boolean {
    const difference = this.#ranks[i]! - this.#ranks[j]!;
    return difference < 0 || (difference === 0 && this.#places[i]! < this.#places[j]!);
  }

  #swap(i: number, j: number): void {
    [this.#ranks[i], this.#ranks[j]] = [this.#ranks[j]!, this.#ranks[i]!];
    [this.#places[i], this.#places[j]] = [this.#places[j]!, this.#places[i]!];
  }
}
