/**
 * Random numbers that are split by name: the same seed gives the same stream on every platform, and a split depends
 * only on the names that led to it, never on how much of its parent was used.
 *
 * A stream is Threefry4x32-20 in counter mode under a 128-bit key (`threefry.ts`); a child's key is the parent's key
 * chained through the cipher with the name. Normals come from a 256-layer ziggurat (Marsaglia and Tsang 2000, with
 * Doornik's separate bits for layer and value), whose tables and rare branches use IEEE operations only
 * (`portable.ts`), so they too are equal bit for bit on every engine. Not for cryptography.
 */
import { FiducialError, show } from './errors.ts';
import { portableExp, portableLog } from './portable.ts';
import { threefryFill } from './threefry.ts';
import type { Block } from './threefry.ts';

/** A stream of random numbers. Draws move it on; {@link Random.split} does not. */
export interface Random {
  /** 32 hexadecimal digits that name this stream; with {@link Random.position} they restore it ({@link randomAt}). */
  readonly key: string;
  /** How many 32-bit words were drawn so far. */
  readonly position: number;
  /** A 32-bit seed for other generators, fixed by the key; reading it draws nothing. */
  readonly seed32: number;
  /** The stream of this name: the same whatever was drawn before, and independent of this one. `3` is `'3'`. */
  split(name: string | number): Random;
  /** A 32-bit word, 0 to 4294967295. */
  bits32(): number;
  /** A number in [0, 1) with 53 random bits. */
  uniform(): number;
  /** An integer in [0, bound), without bias; `bound` is an integer from 1 to 2^53 - 1. */
  integer(bound: number): number;
  /** A standard normal number with 53 random bits. */
  normal(): number;
  /** A new array with the items in random order. */
  shuffle<T>(items: ArrayLike<T>): T[];
  /** One of the items; throws where there are none. */
  choose<T>(items: ArrayLike<T>): T;
  /** `count` different positions' items, in random order; throws where there are fewer. */
  sample<T>(items: ArrayLike<T>, count: number): T[];
  /**
   * Fills `out` with numbers from `low` (0) to `high` (1, not reached before rounding) and returns it. A Float64Array
   * gets what as many calls of `uniform` would give; a Float32Array takes 24 bits a number and is twice as fast.
   */
  fillUniform<A extends Float32Array | Float64Array>(out: A, low?: number, high?: number): A;
  /**
   * Fills `out` with normal numbers of this mean (0) and standard deviation (1) and returns it. A Float64Array gets
   * what as many calls of `normal` would give; a Float32Array takes 24 bits a number and is twice as fast.
   */
  fillNormal<A extends Float32Array | Float64Array>(out: A, mean?: number, standardDeviation?: number): A;
}

/**
 * The stream of a seed. A number is read as its decimal text, so that `random(7)` and `random('7')` are one stream and
 * a seed survives a command line or an address. A number must be an integer within ±2^53.
 *
 * @example
 * const trial = random(7).split('trials').split(12);
 * trial.uniform(); // the same wherever, whenever and in whatever order the trials are run
 */
export function random(seed: number | string): Random {
  return new ThreefryStream(derive([0, 0, 0, 0], textOf(seed, 'seed')), 0);
}

/**
 * The stream of a stored key, moved on to `position` words: goes on exactly where the stored one stood.
 *
 * @example
 * const stored = { key: stream.key, position: stream.position };
 * randomAt(stored.key, stored.position).uniform() === stream.uniform(); // true
 */
export function randomAt(key: string, position = 0): Random {
  if (!/^[0-9a-f]{32}$/.test(key)) {
    throw new FiducialError('random.bad-key', `${show(key)} is no key of a stream`, 'A key has 32 hexadecimal digits.');
  }
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new FiducialError(
      'random.bad-position',
      `position ${show(position)} is not a whole number of words`,
      'Pass the position that was stored with the key.',
    );
  }
  const words = [0, 8, 16, 24].map((at) => Number.parseInt(key.slice(at, at + 8), 16));
  return new ThreefryStream([words[0]!, words[1]!, words[2]!, words[3]!], position);
}

const TWO_POW_32 = 4294967296;
/** The largest buffer, in words: 4 KiB stay in the first cache beside the ziggurat's tables. */
const LARGEST_BUFFER = 1024;

class ThreefryStream implements Random {
  private readonly words: Block;
  /** Words made ready, those of `at` and later not yet drawn; it starts small, for most splits draw little. */
  private buffer = new Int32Array(0);
  private at = 0;
  /** Number of the block after the buffer. */
  private nextBlock: number;

  constructor(key: Block, position: number) {
    this.words = key;
    this.nextBlock = Math.floor(position / 4);
    for (let i = 0; i < position % 4; i++) this.next();
  }

  get key(): string {
    return this.words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  get position(): number {
    return this.nextBlock * 4 - (this.buffer.length - this.at);
  }

  get seed32(): number {
    const out = new Int32Array(4);
    threefryFill(this.words, [0, 0, 0, SEED_DOMAIN], out);
    return out[0]! >>> 0;
  }

  split(name: string | number): Random {
    return new ThreefryStream(derive(this.words, textOf(name, 'name')), 0);
  }

  bits32(): number {
    return this.next() >>> 0;
  }

  uniform(): number {
    const high = this.next() >>> 5;
    const low = this.next() >>> 6;
    return (high * 67108864 + low) * (1 / 9007199254740992);
  }

  integer(bound: number): number {
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new FiducialError(
        'random.bad-bound',
        `integer(${show(bound)}): the bound is not a whole number from 1 to 2^53 - 1`,
        'Pass the number of possible outcomes.',
      );
    }
    // Draws at or above the largest multiple of the bound are thrown away: they would favour small results.
    if (bound <= TWO_POW_32) {
      const limit = TWO_POW_32 - (TWO_POW_32 % bound);
      for (;;) {
        const word = this.bits32();
        if (word < limit) return word % bound;
      }
    }
    const limit = 9007199254740992 - (9007199254740992 % bound);
    for (;;) {
      const wide = this.uniform() * 9007199254740992;
      if (wide < limit) return wide % bound;
    }
  }

  normal(): number {
    for (;;) {
      const high = this.next();
      const low = this.next();
      const layer = low & 255;
      const u = (high * 2097152 + (low >>> 11)) * (1 / 4503599627370496); // [-1, 1), 53 bits
      const x = u * ZIGGURAT_X[layer]!;
      if (Math.abs(x) < ZIGGURAT_X[layer + 1]!) return x;
      const outer = this.outsideBox(layer, x);
      if (outer !== undefined) return outer;
    }
  }

  shuffle<T>(items: ArrayLike<T>): T[] {
    return this.sample(items, items.length);
  }

  choose<T>(items: ArrayLike<T>): T {
    if (items.length === 0) {
      throw new FiducialError('random.nothing-to-choose', 'choose: there are no items', 'Pass at least one item.');
    }
    return items[this.integer(items.length)]!;
  }

  sample<T>(items: ArrayLike<T>, count: number): T[] {
    if (!Number.isSafeInteger(count) || count < 0 || count > items.length) {
      throw new FiducialError(
        'random.bad-count',
        `sample: ${show(count)} of ${items.length} items`,
        'Ask for a whole number of items, at most as many as there are; for draws with repetition use choose.',
      );
    }
    const pool = Array.from(items);
    for (let i = 0; i < count; i++) {
      const j = i + this.integer(pool.length - i);
      const item = pool[j]!;
      pool[j] = pool[i]!;
      pool[i] = item;
    }
    pool.length = count;
    return pool;
  }

  fillUniform<A extends Float32Array | Float64Array>(out: A, low = 0, high = 1): A {
    requireRange('fillUniform', low, high);
    const width = high - low;
    if (out instanceof Float32Array) {
      const values: Float32Array = out;
      for (let i = 0; i < values.length;) {
        if (this.at === this.buffer.length) this.refill();
        const { buffer, at } = this;
        const count = Math.min(buffer.length - at, values.length - i);
        for (let j = 0; j < count; j++) values[i + j] = low + width * (buffer[at + j]! >>> 8) * (1 / 16777216);
        this.at = at + count;
        i += count;
      }
    } else {
      for (let i = 0; i < out.length; i++) out[i] = low + width * this.uniform();
    }
    return out;
  }

  fillNormal<A extends Float32Array | Float64Array>(out: A, mean = 0, standardDeviation = 1): A {
    requireRange('fillNormal', 0, standardDeviation);
    if (out instanceof Float32Array) {
      this.fillCoarseNormal(out, mean, standardDeviation);
    } else {
      for (let i = 0; i < out.length; i++) out[i] = mean + standardDeviation * this.normal();
    }
    return out;
  }

  /** Normal numbers from one word each, 24 bits of it: as fine as a Float32Array can hold near their typical size. */
  private fillCoarseNormal(out: Float32Array, mean: number, standardDeviation: number): void {
    for (let i = 0; i < out.length;) {
      if (this.at === this.buffer.length) this.refill();
      // The common case in locals; a candidate outside its box needs more words, so it is finished apart.
      const { buffer } = this;
      const end = Math.min(buffer.length, this.at + out.length - i);
      let at = this.at;
      while (at < end) {
        const word = buffer[at++]!;
        const layer = word & 255;
        const x = (word >> 8) * (1 / 8388608) * ZIGGURAT_X[layer]!;
        if (Math.abs(x) < ZIGGURAT_X[layer + 1]!) {
          out[i++] = mean + standardDeviation * x;
          continue;
        }
        this.at = at;
        const outer = this.outsideBox(layer, x);
        if (outer !== undefined) out[i++] = mean + standardDeviation * outer;
        at = this.at;
        break;
      }
      this.at = at;
    }
  }

  /** The 1.2 % of candidates that leave their layer's inner box: the tail, the wedge, or undefined to draw again. */
  private outsideBox(layer: number, x: number): number | undefined {
    if (layer === 0) {
      // Marsaglia's tail; 1 - uniform is never zero.
      for (;;) {
        const a = -portableLog(1 - this.uniform()) / ZIGGURAT_TAIL;
        const b = -portableLog(1 - this.uniform());
        if (b + b > a * a) return x < 0 ? -(ZIGGURAT_TAIL + a) : ZIGGURAT_TAIL + a;
      }
    }
    const below = ZIGGURAT_Y[layer]!;
    const height = below + this.uniform() * (ZIGGURAT_Y[layer + 1]! - below);
    return height < portableExp(-0.5 * x * x) ? x : undefined;
  }

  /** The next word as a signed integer, the form in which the engine keeps it out of the heap. */
  private next(): number {
    if (this.at === this.buffer.length) this.refill();
    return this.buffer[this.at++]!;
  }

  private refill(): void {
    const size = Math.min(Math.max(4, this.buffer.length * 2), LARGEST_BUFFER);
    if (size !== this.buffer.length) this.buffer = new Int32Array(size);
    const block = this.nextBlock;
    threefryFill(this.words, [block % TWO_POW_32, Math.floor(block / TWO_POW_32), 0, 0], this.buffer);
    this.nextBlock = block + size / 4;
    this.at = 0;
  }
}

/** Last counter words that keep names and stored seeds apart from the stream's own blocks, whose last word is 0. */
const SEED_DOMAIN = 0xfffffffe;
const NAME_END_DOMAIN = 0xffffffff;

/**
 * The key under `key` of `name`: six UTF-16 units at a time are the counter of a block whose output is the next key;
 * the last block holds the length. Every word of the counter differs between different names of one length.
 */
function derive(key: Block, name: string): Block {
  const out = new Int32Array(4);
  let chained = key;
  const unit = (i: number): number => (i < name.length ? name.charCodeAt(i) : 0);
  for (let at = 0, index = 1; at < name.length; at += 6, index++) {
    const words = [0, 2, 4].map((i) => unit(at + i) | (unit(at + i + 1) << 16));
    threefryFill(chained, [words[0]!, words[1]!, words[2]!, index], out);
    chained = [out[0]!, out[1]!, out[2]!, out[3]!];
  }
  threefryFill(chained, [name.length, 0, 0, NAME_END_DOMAIN], out);
  return [out[0]!, out[1]!, out[2]!, out[3]!];
}

function textOf(value: number | string, what: 'seed' | 'name'): string {
  if (typeof value === 'string') return value;
  if (Number.isSafeInteger(value)) return String(value);
  throw new FiducialError(
    'random.bad-seed',
    `${show(value)} is no ${what} of a stream`,
    'Pass text, or a whole number between -(2^53 - 1) and 2^53 - 1.',
  );
}

function requireRange(where: string, low: number, high: number): void {
  if (Number.isFinite(low) && Number.isFinite(high) && low <= high) return;
  throw new FiducialError(
    'random.bad-range',
    `${where}: ${show(low)} to ${show(high)} is no range`,
    'Pass finite numbers, the lower one first; a standard deviation is not negative.',
  );
}

/** Where the tail begins, and the area of each of the 256 layers (the base one includes the tail). */
const ZIGGURAT_TAIL = 3.654152885361009;
const ZIGGURAT_AREA = 0.004928673233974655;

/** Right edges of the layers, from the base's stand-in width down to 0; and exp(-x^2 / 2) at each. */
const [ZIGGURAT_X, ZIGGURAT_Y] = ziggurat();

function ziggurat(): readonly [Float64Array, Float64Array] {
  const x = new Float64Array(257);
  const y = new Float64Array(257);
  x[1] = ZIGGURAT_TAIL;
  y[1] = portableExp(-0.5 * ZIGGURAT_TAIL * ZIGGURAT_TAIL);
  x[0] = ZIGGURAT_AREA / y[1];
  for (let i = 2; i < 256; i++) {
    y[i] = y[i - 1]! + ZIGGURAT_AREA / x[i - 1]!;
    x[i] = Math.sqrt(-2 * portableLog(y[i]!));
  }
  x[256] = 0;
  y[256] = 1;
  return [x, y];
}
