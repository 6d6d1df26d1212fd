/**
 * Text from a model, for many callers at once: requests that are there together run as rows of one batch, and join and
 * leave it at any step. What a request gets does not depend on its neighbours, beyond the last bits of a float.
 *
 * Each round takes in waiting requests, computes prompts (a few at a time, long ones in pieces), then one token for
 * every row that is ready. What texts have in common at their beginning is computed once, also across calls.
 * Source of the scheduling: Yu et al. 2022 (Orca); of chunked prefill: Agrawal et al. 2023 (Sarathi).
 */
import { cacheLimit } from '../architecture/rope.ts';
import { bytesPerToken, commonPrefix, KeyValueCache, PrefixStore, type StoredPrefix } from './cache.ts';
import type { Forwardable } from './forwardable.ts';
import type { TokenEvent } from './reply.ts';
import { Row, type GenerateRequest, type ReplyTokenizer } from './request.ts';
import { powerOfTwo, rowBucket } from './shapes.ts';
import { Steps, type Part, type StepResult } from './steps.ts';

export interface GeneratorOptions {
  /** Needed for texts in the events and for stop strings. */
  readonly tokenizer?: ReplyTokenizer;
  /** Tokens that end a reply, as the generation settings of the model name them. */
  readonly stopTokens?: readonly number[];
  /** Requests computed at once; further ones wait. 32 unless told. */
  readonly maxRows?: number;
  /** Keys and values of all rows; what would pass it waits, unless it is alone. 2 GiB unless told. */
  readonly maxCacheBytes?: number;
  /** Finished texts kept for later requests that begin alike. 256 MiB unless told; 0 shares nothing at all. */
  readonly prefixCacheBytes?: number;
  /** Prompt tokens computed between two steps of the others. 2,048 unless told. */
  readonly maxPrefillTokens?: number;
}

/** Long prompts are computed in pieces of this many tokens, so that nobody waits for a whole one. */
const CHUNK = 256;
/** Prompts together in one run. */
const MAX_PREFILL_ROWS = 16;
/** Shared beginnings shorter than this are not worth a copy. */
const LEAST_SHARED = 8;
/** A reader who is this many events behind stops its row. */
const MAX_UNREAD = 256;

export class Generator {
  readonly #network: Forwardable;
  readonly #options: Required<Omit<GeneratorOptions, 'tokenizer'>>;
  readonly #tokenizer: ReplyTokenizer | undefined;
  readonly #cache: KeyValueCache;
  readonly #prefixes: PrefixStore;
  readonly #steps: Steps;
  /** Texts longer than this are computed anew for each token: their angles change with every one. */
  readonly #cacheLimit: number;
  readonly #tokenBytes: number;
  readonly #waiting = new Set<Row>();
  /** By slot. */
  readonly #rows: (Row | undefined)[] = [];
  #count = 0;
  #isRunning = false;
  #wake: (() => void) | undefined;

  constructor(network: Forwardable, options: GeneratorOptions = {}) {
    const { tokenizer, ...rest } = options;
    this.#network = network;
    this.#tokenizer = tokenizer;
    this.#options = {
      stopTokens: [],
      maxRows: 32,
      maxCacheBytes: 2 * 2 ** 30,
      prefixCacheBytes: 256 * 2 ** 20,
      maxPrefillTokens: 2048,
      ...rest,
    };
    const { description } = network;
    this.#tokenBytes = bytesPerToken(description);
    this.#cache = new KeyValueCache(description);
    this.#prefixes = new PrefixStore(this.#options.prefixCacheBytes, this.#tokenBytes);
    this.#steps = new Steps(network, this.#cache, this.#options.maxRows);
    const ropes = 'ropes' in description.positions ? description.positions.ropes : [];
    this.#cacheLimit = Math.min(...ropes.map((rope) => cacheLimit(rope) ?? Infinity), Infinity);
  }

  /** Requests that are computed, and that wait. */
  get load(): { readonly rows: number; readonly waiting: number } {
    return { rows: this.#rows.filter((row) => row !== undefined).length, waiting: this.#waiting.size };
  }

  /**
   * The tokens of a reply as they come, and one `end` event. Leaving the loop early frees the row.
   *
   * @throws FiducialError `generate.prompt` for a prompt past the context, `network.token`, `generate.option`; the
   *   reason of `signal` when that aborts; what failed, when a step fails
   * @example
   * for await (const event of generator.generate({ prompt: tokenizer.encode('Once'), maxTokens: 20 })) {
   *   process.stdout.write(event.text);
   * }
   */
  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<TokenEvent, void, undefined> {
    signal?.throwIfAborted();
    const name = request.name ?? `request ${this.#count++}`;
    const row = new Row(request, name, this.#network.description, this.#tokenizer, this.#options.stopTokens);
    const abort = (): void => this.#fail(row, signal!.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (row.maxTokens === 0) row.end('length');
      else this.#enqueue(row);
      for (;;) {
        const event = await row.events.next();
        if (row.events.size === MAX_UNREAD - 1) this.#wakeUp();
        yield event;
        if (event.type === 'end') return;
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      if (!row.isDone) this.#fail(row, undefined);
    }
  }

  /** Forgets the texts kept for later requests. */
  clearPrefixes(): void {
    this.#prefixes.clear();
  }

  #enqueue(row: Row): void {
    this.#waiting.add(row);
    this.#wakeUp();
    if (this.#isRunning) return;
    this.#isRunning = true;
    // After the callers that come in the same turn, so that they share the first batch.
    setImmediate(() => void this.#run());
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.size > 0 || this.#live().length > 0) {
        this.#admit();
        const ready = this.#live().filter((row) => !isStalled(row));
        if (ready.length === 0) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        await this.#prefill(ready);
        await this.#decode();
      }
    } catch (error) {
      // A fault outside the steps: nobody may wait forever for it.
      for (const row of [...this.#waiting, ...this.#live()]) this.#fail(row, error);
    } finally {
      this.#isRunning = false;
    }
  }

  #live(): Row[] {
    return this.#rows.filter((row) => row !== undefined);
  }

  #fail(row: Row, error: unknown): void {
    if (row.isDone) return;
    row.isDone = true;
    row.events.fail(error);
    this.#waiting.delete(row);
    if (row.slot !== undefined) {
      this.#cache.clear(row.slot);
      this.#rows[row.slot] = undefined;
    }
    this.#wakeUp();
  }

  /** Gives waiting requests a slot each, with what is known of their beginning. */
  #admit(): void {
    for (const row of this.#waiting) {
      if (isStalled(row)) continue;
      while (!this.#hasPlaceFor(row)) if (!this.#suspendStalled()) return;
      const live = this.#live();
      const found = this.#findPrefix(row, live);
      if (found === 'soon') continue;
      this.#waiting.delete(row);
      if (live.length === 0) this.#cache.resize(0, 0, []);
      let slot = this.#rows.findIndex((other) => other === undefined);
      if (slot < 0) slot = this.#rows.length;
      row.slot = slot;
      row.cached = 0;
      this.#rows[slot] = row;
      this.#makeRoom();
      if (found === undefined) continue;
      const { from, count } = found;
      if (from instanceof Row) this.#cache.copy(from.slot!, slot, count);
      else {
        this.#cache.put(from, slot, count);
        this.#prefixes.touch(from);
      }
      row.cached = count;
      if (row.generated === 0) row.foundCached = count;
    }
  }

  /** A row whose reader is behind gives its slot to one that waits, and goes on later. Whether there was one. */
  #suspendStalled(): boolean {
    const row = this.#live().find(isStalled);
    if (row === undefined) return false;
    this.#remember(row);
    this.#rows[row.slot!] = undefined;
    row.slot = undefined;
    row.cached = 0;
    this.#waiting.add(row);
    return true;
  }

  #hasPlaceFor(row: Row): boolean {
    const live = this.#live();
    if (live.length === 0) return true;
    const longest = Math.max(...[row, ...live].map(({ largestLength }) => Math.min(largestLength, this.#cacheLimit)));
    const bytes = this.#steps.slotsFor(live.length + 1) * powerOfTwo(longest, 64) * this.#tokenBytes;
    return live.length < this.#options.maxRows && bytes <= this.#options.maxCacheBytes;
  }

  /**
   * The longest known beginning of a request; `soon` where a row that was just taken in will know a longer one.
   * At least one token is left over, for it is computed anyway to know what follows.
   */
  #findPrefix(row: Row, live: readonly Row[]): { from: Row | StoredPrefix; count: number } | 'soon' | undefined {
    const most = row.tokens.length - 1;
    if (this.#options.prefixCacheBytes === 0 || row.tokens.length > this.#cacheLimit) return undefined;
    let best: { from: Row | StoredPrefix; count: number } | undefined;
    const stored = this.#prefixes.find(row.tokens);
    if (stored !== undefined) best = { from: stored.entry, count: Math.min(stored.count, most) };
    let soon = 0;
    for (const other of live) {
      const shared = commonPrefix(other.tokens, row.tokens, Math.min(most, this.#cacheLimit));
      if (other.tokens.length <= this.#cacheLimit && other.pending > 1) soon = Math.max(soon, shared);
      const count = Math.min(shared, other.cached);
      if (count > (best?.count ?? 0)) best = { from: other, count };
    }
    if (soon >= (best?.count ?? 0) + LEAST_SHARED) return 'soon';
    return best !== undefined && best.count >= LEAST_SHARED ? best : undefined;
  }

  /** Lays the cache out so that every row's next token fits. */
  #makeRoom(): void {
    const needed = Math.max(...this.#live().map(({ tokens }) => Math.min(tokens.length, this.#cacheLimit)));
    const used = this.#usedSlots();
    const isShort = needed > this.#cache.capacity;
    if (!isShort && used <= this.#cache.slots) return;
    const capacity = isShort ? this.#steps.capacityFor(needed) : this.#cache.capacity;
    const lengths = Array.from({ length: used }, (_, slot) => this.#rows[slot]?.cached ?? 0);
    this.#cache.resize(this.#steps.slotsFor(used), capacity, lengths);
  }

  #usedSlots(): number {
    while (this.#rows.length > 0 && this.#rows.at(-1) === undefined) this.#rows.pop();
    return this.#rows.length;
  }

  /** Moves the last rows into holes where fewer rows then make a smaller batch. */
  #closeHoles(): void {
    while (rowBucket(this.#usedSlots()) > rowBucket(this.#live().length)) {
      const last = this.#rows.pop()!;
      const hole = this.#rows.findIndex((row) => row === undefined);
      this.#cache.copy(last.slot!, hole, last.cached);
      last.slot = hole;
      this.#rows[hole] = last;
    }
  }

  #isUncached(row: Row): boolean {
    return row.tokens.length > this.#cacheLimit;
  }

  /** One run over prompts: from their beginning, or behind what is cached; the oldest first. */
  async #prefill(ready: readonly Row[]): Promise<void> {
    const isFromBeginning = (row: Row): boolean => this.#isUncached(row) || (row.cached === 0 && row.pending > 1);
    const lengthOf = (row: Row): number => (this.#isUncached(row) ? row.tokens.length : Math.min(row.pending, CHUNK));
    const fresh = ready.filter(isFromBeginning);
    const behind = ready.filter((row) => !isFromBeginning(row) && row.pending > 1);
    if (fresh.length > 0) {
      const [oldest] = fresh;
      const rows = fresh
        .filter((row) => lengthOf(row) <= lengthOf(oldest!))
        .toSorted((a, b) => lengthOf(b) - lengthOf(a) || (a === oldest ? -1 : b === oldest ? 1 : 0))
        .slice(0, MAX_PREFILL_ROWS);
      const count = this.#steps.rowsTogether(rows.map(lengthOf), this.#options.maxPrefillTokens);
      const chosen = rows.slice(0, count);
      const parts = chosen.map((row) => partOf(row, 0, lengthOf(row)));
      await this.#compute(chosen, parts, async () => ({ ...(await this.#steps.fromBeginning(parts)), parts }));
    }
    if (behind.length > 0) {
      const chosen = this.#neighbours(behind);
      const parts = chosen.map((row) => partOf(row, row.cached, Math.min(row.pending, CHUNK)));
      await this.#compute(chosen, parts, () => this.#steps.behindCache(parts));
    }
  }

  /** The rows, from the lowest slot on, that lie so close that at most half of a batch over them is padding. */
  #neighbours(rows: readonly Row[]): Row[] {
    const sorted = rows.toSorted((a, b) => a.slot! - b.slot!);
    const lowest = sorted[0]!.slot!;
    const longest = Math.max(...rows.map(({ pending }) => Math.min(pending, CHUNK)));
    const fits = (count: number): boolean => {
      const span = rowBucket(sorted[count - 1]!.slot! + 1 - lowest);
      return span <= 2 * count && span * longest <= this.#options.maxPrefillTokens;
    };
    let count = sorted.length;
    while (count > 1 && !fits(count)) count--;
    return sorted.slice(0, count);
  }

  /** One token for every row that has computed all but its last. */
  async #decode(): Promise<void> {
    const isReady = (row: Row): boolean => row.pending === 1 && !this.#isUncached(row) && !isStalled(row);
    if (!this.#live().some(isReady)) return;
    this.#closeHoles();
    this.#makeRoom();
    const rows = this.#live().filter(isReady);
    const parts = rows.map((row) => partOf(row, row.cached, 1));
    await this.#compute(rows, parts, () => this.#steps.behindCache(parts));
  }

  /** Runs a step and hands each row its result. What fails in the step reaches every row of it, and no other. */
  async #compute(
    rows: readonly Row[],
    given: readonly Part[],
    step: () => Promise<StepResult & { readonly parts: readonly Part[] }>,
  ): Promise<void> {
    let result: Awaited<ReturnType<typeof step>>;
    try {
      result = await step();
    } catch (error) {
      for (const row of rows) this.#fail(row, error);
      return;
    }
    for (const [i, row] of rows.entries()) {
      if (row.isDone) continue; // cancelled meanwhile
      const { from, count } = result.parts[i] ?? given[i]!;
      try {
        if (!this.#isUncached(row)) {
          result.keep(i);
          row.cached = from + count;
        }
        if (from + count < row.tokens.length) continue;
        row.take(result.logitsOf(i));
      } catch (error) {
        this.#fail(row, error);
        continue;
      }
      if (!row.isDone) continue;
      this.#remember(row);
      this.#rows[row.slot!] = undefined;
    }
  }

  /** Keeps what a row computed for requests that begin alike. */
  #remember(row: Row): void {
    const tokens = Int32Array.from(row.tokens.slice(0, row.cached));
    if (tokens.length < LEAST_SHARED || this.#options.prefixCacheBytes === 0 || !this.#prefixes.wants(tokens)) return;
    this.#prefixes.add(this.#cache.take(row.slot!, tokens));
  }
}

const isStalled = (row: Row): boolean => row.events.size >= MAX_UNREAD;

const partOf = (row: Row, from: number, count: number): Part => ({ tokens: row.tokens, from, count, slot: row.slot! });

/** The whole reply of one request: its tokens, its text, its end. */
export async function collect(
  events: AsyncIterable<TokenEvent>,
): Promise<{ ids: number[]; text: string; events: TokenEvent[] }> {
  const all: TokenEvent[] = [];
  for await (const event of events) all.push(event);
  return {
    ids: all.flatMap((event) => (event.type === 'token' ? [event.id] : [])),
    text: all.map(({ text }) => text).join(''),
    events: all,
  };
}
