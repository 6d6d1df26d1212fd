/**
 * Keys and values of the texts under way, on the host: an array a layer and kind, [slots, keyHeads, capacity,
 * headWidth], which compiled steps read where they lie. Slot and position count from 0 and a token lies at its place
 * in its text, so positions need no table. Growing re-lays the arrays out. Beside it, texts that are finished: compact
 * copies, the ones unused longest dropped first.
 */
import { fromData, type Tensor } from '../../engine/index.ts';
import type { Description } from '../architecture/description.ts';

/** Keys and values of a prefix: an array a layer and kind, [keyHeads, length, headWidth]. */
export interface StoredPrefix {
  readonly tokens: Int32Array;
  readonly arrays: readonly Float32Array[];
}

/** Bytes of keys and values that one token takes. */
export const bytesPerToken = ({ layers, keyHeads, headWidth }: Description): number =>
  2 * layers * keyHeads * headWidth * 4;

export class KeyValueCache {
  readonly #keyHeads: number;
  readonly #width: number;
  readonly #layers: number;
  #slots = 0;
  #capacity = 0;
  /** Keys of layer 0, values of layer 0, keys of layer 1 and so on. */
  #arrays: Float32Array[] = [];
  /** Arrays handed out as tensors, by first slot and number of slots: the runtime keeps a wrapper with each. */
  readonly #views = new Map<string, { keys: Tensor[]; values: Tensor[] }>();

  constructor({ keyHeads, headWidth, layers }: Description) {
    this.#keyHeads = keyHeads;
    this.#width = headWidth;
    this.#layers = layers;
  }

  get slots(): number {
    return this.#slots;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Lays the arrays out anew; `lengths` says how much of each slot is worth keeping. */
  resize(slots: number, capacity: number, lengths: readonly number[]): void {
    const old = this.#arrays;
    const [oldCapacity, oldSlots] = [this.#capacity, this.#slots];
    this.#arrays = Array.from(
      { length: 2 * this.#layers },
      () => new Float32Array(slots * this.#keyHeads * capacity * this.#width),
    );
    this.#views.clear();
    this.#slots = slots;
    this.#capacity = capacity;
    for (const [i, from] of old.entries()) {
      for (let slot = 0; slot < Math.min(slots, oldSlots); slot++) {
        const count = (lengths[slot] ?? 0) * this.#width;
        if (count === 0) continue;
        for (let head = 0; head < this.#keyHeads; head++) {
          const start = (slot * this.#keyHeads + head) * oldCapacity * this.#width;
          this.#arrays[i]!.set(from.subarray(start, start + count), this.#at(slot, head, 0));
        }
      }
    }
  }

  /** Slots `first` to `first + rows` as tensors a layer, [rows, keyHeads, capacity, headWidth], without a copy. */
  view(first: number, rows: number): { keys: Tensor[]; values: Tensor[] } {
    const name = `${first}+${rows}`;
    let view = this.#views.get(name);
    if (view === undefined) {
      const shape = [rows, this.#keyHeads, this.#capacity, this.#width];
      const all = this.#arrays.map((array) =>
        fromData(array.subarray(this.#at(first, 0, 0), this.#at(first + rows, 0, 0)), shape, 'float32'),
      );
      view = { keys: all.filter((_, i) => i % 2 === 0), values: all.filter((_, i) => i % 2 === 1) };
      this.#views.set(name, view);
    }
    return view;
  }

  /**
   * Keeps what a step computed of one row.
   *
   * @param fresh [layers, 2, rows, keyHeads, time, headWidth]
   */
  store(fresh: Float32Array, rows: number, time: number, row: number, count: number, slot: number, at: number): void {
    const width = this.#width;
    const length = count * width;
    for (const [i, array] of this.#arrays.entries()) {
      for (let head = 0; head < this.#keyHeads; head++) {
        const from = ((i * rows + row) * this.#keyHeads + head) * time * width;
        const to = this.#at(slot, head, at);
        array.set(fresh.subarray(from, from + length), to);
      }
    }
  }

  /** Copies the first `count` tokens of a slot to another. */
  copy(from: number, to: number, count: number): void {
    for (const array of this.#arrays) {
      for (let head = 0; head < this.#keyHeads; head++) {
        const start = this.#at(from, head, 0);
        array.copyWithin(this.#at(to, head, 0), start, start + count * this.#width);
      }
    }
  }

  /** A compact copy of the first tokens of a slot. */
  take(slot: number, tokens: Int32Array): StoredPrefix {
    const count = tokens.length * this.#width;
    const arrays = this.#arrays.map((array) => {
      const copy = new Float32Array(this.#keyHeads * count);
      for (let head = 0; head < this.#keyHeads; head++) {
        const start = this.#at(slot, head, 0);
        copy.set(array.subarray(start, start + count), head * count);
      }
      return copy;
    });
    return { tokens, arrays };
  }

  /** Puts the first `count` tokens of a stored text into a slot. */
  put(stored: StoredPrefix, slot: number, count: number): void {
    const whole = stored.tokens.length * this.#width;
    for (const [i, array] of this.#arrays.entries()) {
      for (let head = 0; head < this.#keyHeads; head++) {
        const part = stored.arrays[i]!.subarray(head * whole, head * whole + count * this.#width);
        array.set(part, this.#at(slot, head, 0));
      }
    }
  }

  /** Forgets a slot's values: a number that is not finite would reach its next text through masked places. */
  clear(slot: number): void {
    for (const array of this.#arrays) array.fill(0, this.#at(slot, 0, 0), this.#at(slot + 1, 0, 0));
  }

  /** Offset of a token's first number. */
  #at(slot: number, head: number, position: number): number {
    return ((slot * this.#keyHeads + head) * this.#capacity + position) * this.#width;
  }
}

/** How many tokens two texts share at their beginning. */
export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>, most = Infinity): number {
  const end = Math.min(a.length, b.length, most);
  let count = 0;
  while (count < end && a[count] === b[count]) count++;
  return count;
}

/** Finished texts, bounded in bytes. */
export class PrefixStore {
  readonly #maxBytes: number;
  readonly #bytesPerToken: number;
  /** In order of last use, oldest first. */
  readonly #entries = new Set<StoredPrefix>();
  #bytes = 0;

  constructor(maxBytes: number, tokenBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bytesPerToken = tokenBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The stored text that shares most with `tokens`, and how much. */
  find(tokens: readonly number[]): { entry: StoredPrefix; count: number } | undefined {
    let best: { entry: StoredPrefix; count: number } | undefined;
    for (const entry of this.#entries) {
      const count = commonPrefix(entry.tokens, tokens);
      if (count > (best?.count ?? 0)) best = { entry, count };
    }
    return best;
  }

  /** Marks a text as just used. */
  touch(entry: StoredPrefix): void {
    if (this.#entries.delete(entry)) this.#entries.add(entry);
  }

  /** Whether a text of this length could be kept, and is not already there as the beginning of another. */
  wants(tokens: Int32Array): boolean {
    if (tokens.length * this.#bytesPerToken > this.#maxBytes) return false;
    for (const entry of this.#entries) {
      if (commonPrefix(entry.tokens, tokens) < tokens.length) continue;
      this.touch(entry);
      return false;
    }
    return true;
  }

  add(entry: StoredPrefix): void {
    for (const other of this.#entries) {
      if (commonPrefix(other.tokens, entry.tokens) === other.tokens.length) this.#drop(other);
    }
    this.#entries.add(entry);
    this.#bytes += entry.tokens.length * this.#bytesPerToken;
    for (const oldest of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #drop(entry: StoredPrefix): void {
    this.#entries.delete(entry);
    this.#bytes -= entry.tokens.length * this.#bytesPerToken;
  }
}
