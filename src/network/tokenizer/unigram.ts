/**
 * The unigram language model (Kudo 2018), as `model.type: Unigram` of a `tokenizer.json`.
 *
 * Source: Hugging Face tokenizers, `models/unigram` (0.23), by behaviour: the segmentation of highest total score by
 * Viterbi; a character that no token covers scores ten below the worst token; neighbouring unknown characters fuse, and
 * become bytes where `byte_fallback` is set and the vocabulary has them. `@huggingface/tokenizers` is not used: it has
 * no byte fallback and finds another path at some ties.
 */
import { FiducialError, show } from '../../core/errors.ts';
import { badField, listAt, countAt, booleanAt, type Fields } from './fields.ts';
import { byteTokens, type Pieces, type TokenizerModel } from './vocabulary.ts';

/** SentencePiece's penalty of an unknown character, below the lowest score. */
const UNKNOWN_PENALTY = 10;

/**
 * @throws FiducialError `tokenizer.field` for a vocabulary that is not a list of [token, score], or a wrong `unk_id`
 */
export function makeUnigram(model: Fields): TokenizerModel {
  const tokens: string[] = [];
  const scores: number[] = [];
  for (const [i, entry] of listAt(model, 'vocab').entries()) {
    const [token, score]: unknown[] = Array.isArray(entry) ? entry : [];
    if (typeof token !== 'string' || typeof score !== 'number') {
      throw badField(model, `vocab[${i}]`, `is ${show(entry)}, not [token, score]`);
    }
    tokens.push(token);
    scores.push(score);
  }
  const hasUnknown = model.object.unk_id !== undefined && model.object.unk_id !== null;
  const unknownId = hasUnknown ? countAt(model, 'unk_id') : undefined;
  if (unknownId !== undefined && unknownId >= tokens.length) {
    throw badField(model, 'unk_id', `is ${unknownId}, past the ${tokens.length} tokens of vocab`);
  }
  const fallsBackToBytes = booleanAt(model, 'byte_fallback', false);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const unknownScore = scores.reduce((low, score) => Math.min(low, score), Infinity) - UNKNOWN_PENALTY;
  const prefixes = new PrefixTable(tokens);

  function needUnknown(): number {
    if (unknownId !== undefined) return unknownId;
    throw new FiducialError(
      'tokenizer.unknown',
      `${model.file}: the text has a character that model.vocab does not cover, and model.unk_id is not set`,
      'Set unk_id to the id of the unknown token.',
    );
  }

  function tokenize(text: string, isAllowed: (id: number) => boolean): Pieces {
    const best = new Float64Array(text.length + 1);
    const from = new Int32Array(text.length + 1).fill(-1);
    const by = new Int32Array(text.length + 1);
    const offer = (start: number, end: number, id: number, score: number): void => {
      const total = score + best[start]!;
      if (from[end] !== -1 && total <= best[end]!) return;
      best[end] = total;
      from[end] = start;
      by[end] = id;
    };
    for (let start = 0; start < text.length;) {
      const next = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
      let coversCharacter = false;
      prefixes.search(text, start, (end, token) => {
        const id = ids.get(token)!;
        if (!isAllowed(id)) return;
        offer(start, end, id, scores[id]!);
        if (end === next) coversCharacter = true;
      });
      if (!coversCharacter) offer(start, next, needUnknown(), unknownScore);
      start = next;
    }

    const spans: { start: number; end: number }[] = [];
    let fusesNext = false;
    for (let end = text.length; end > 0; end = from[end]!) {
      const isUnknown = by[end] === unknownId;
      const last = spans.at(-1);
      if (isUnknown && fusesNext && last !== undefined) last.start = from[end]!;
      else spans.push({ start: from[end]!, end });
      fusesNext = isUnknown;
    }
    const pieces: Pieces = { ids: [], starts: [], ends: [] };
    for (const { start, end } of spans.reverse()) {
      for (const id of idsOf(text.slice(start, end), isAllowed)) {
        pieces.ids.push(id);
        pieces.starts.push(start);
        pieces.ends.push(end);
      }
    }
    return pieces;
  }

  function idsOf(span: string, isAllowed: (id: number) => boolean): readonly number[] {
    const id = ids.get(span);
    if (id !== undefined && isAllowed(id)) return [id];
    if (fallsBackToBytes) {
      const bytes = byteTokens(span).map((token) => ids.get(token));
      if (bytes.every((byte) => byte !== undefined)) return bytes;
    }
    return [needUnknown()];
  }

  return {
    tokenize,
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokens[id],
    size: tokens.length,
    lastId: tokens.length - 1,
    unknownId,
  };
}

/** The tokens that start at a place of a text, found by narrowing a range of the sorted vocabulary. */
class PrefixTable {
  readonly #sorted: readonly string[];
  /** Range of the sorted tokens that start with a unit. */
  readonly #byFirst = new Map<number, { low: number; high: number }>();

  constructor(tokens: readonly string[]) {
    // The default order compares UTF-16 units, which is what the search below narrows by.
    this.#sorted = [...new Set(tokens)].filter((token) => token !== '').sort();
    for (const [i, token] of this.#sorted.entries()) {
      const range = this.#byFirst.get(token.charCodeAt(0));
      if (range === undefined) this.#byFirst.set(token.charCodeAt(0), { low: i, high: i + 1 });
      else range.high = i + 1;
    }
  }

  /** Calls `found` for each token that `text` has at `start`, the shortest first. */
  search(text: string, start: number, found: (end: number, token: string) => void): void {
    const range = this.#byFirst.get(text.charCodeAt(start));
    if (range === undefined) return;
    let { low, high } = range;
    for (let depth = 1; low < high; depth++) {
      const first = this.#sorted[low]!;
      if (first.length === depth) {
        found(start + depth, first);
        low++;
      }
      if (start + depth >= text.length) return;
      const unit = text.charCodeAt(start + depth);
      low = this.#bound(low, high, depth, unit);
      high = this.#bound(low, high, depth, unit + 1);
    }
  }

  /** The first of `low..high` whose unit at `depth` is at least `unit`. */
  #bound(low: number, high: number, depth: number, unit: number): number {
    let from = low;
    let to = high;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#sorted[middle]!.charCodeAt(depth) < unit) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
