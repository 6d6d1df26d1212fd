/**
 * One tail of the log for all who watch the same thing.
 *
 * Events are read once, made into one frame of bytes, and kept in a short ring; a watcher takes the next frame when it
 * can take it. One that falls behind the ring reads what it missed from the store, page by page, so that a slow or
 * vanished client holds nothing back and costs no memory. Whoever comes back names the last event it saw and goes on
 * after it: no event is skipped and none comes twice.
 */
import type { Json } from '../../core/values.ts';
import type { Store, StoredEvent } from '../../store/index.ts';

/** What a screen needs of an event; texts stay in the store. */
export interface LiveEvent {
  readonly seq: number;
  readonly run: string;
  readonly atMs: number;
  readonly kind: string;
  readonly key?: string;
  readonly data?: Json;
}

interface Frame {
  /** Covers every event after `from` and up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly events: number;
  readonly bytes: Uint8Array;
}

export interface Next {
  readonly bytes: Uint8Array;
  /** Where the watcher stands after these bytes. */
  readonly at: number;
}

export interface HubOptions {
  /** Absent: every run of the store. */
  readonly run?: string;
  readonly kinds?: readonly string[];
  readonly pollMs?: number;
}

const ringBytes = 24 * 2 ** 20;
const pageSize = 1_000;
const beatMs = 15_000;
const encoder = new TextEncoder();

export class Hub {
  readonly #store: Store;
  readonly #options: HubOptions;
  #ring: Frame[] = [];
  #ringSize = 0;
  #at: number | undefined;
  #waiting: (() => void)[] = [];
  #watchers = 0;
  #loop: Promise<void> | undefined;
  #stop = new AbortController();
  #fault: unknown;
  /** Pages that are being read for those behind the ring: who stands at the same place shares one. */
  readonly #reading = new Map<number, Promise<Next>>();
  #reads: Promise<unknown> = Promise.resolve();

  constructor(store: Store, options: HubOptions) {
    this.#store = store;
    this.#options = options;
  }

  get watchers(): number {
    return this.#watchers;
  }

  /**
   * Frames after an event, as a client takes them.
   *
   * @param after the last event that the client knows; by default the newest one now
   */
  async *watch(after: number | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    this.#watchers++;
    try {
      await this.#begin();
      let at = after ?? this.#at!;
      // Opens the stream before the first event, so that the client knows that it is listened to.
      yield encoder.encode(`retry: 1000\nid: ${at}\nevent: ready\ndata: ${at}\n\n`);
      while (!signal.aborted) {
        const next = this.#fromRing(at) ?? (at < this.#at! ? await this.#late(at) : undefined);
        if (next !== undefined) {
          at = next.at;
          if (next.bytes.length > 0) yield next.bytes;
        } else if (!(await this.#news(signal)) && !signal.aborted) yield encoder.encode(': beat\n\n');
      }
    } finally {
      this.#watchers--;
      if (this.#watchers === 0) this.#end();
    }
  }

  async #begin(): Promise<void> {
    if (this.#loop !== undefined) return;
    this.#stop = new AbortController();
    this.#fault = undefined;
    const opening = this.#store.head().then((head) => {
      this.#at = head;
      this.#ring = [];
      this.#ringSize = 0;
    });
    this.#loop = opening.then(() => this.#follow(this.#stop.signal));
    this.#loop.catch((error: unknown) => {
      this.#fault = error;
      this.#loop = undefined;
      this.#wake();
    });
    await opening;
  }

  #end(): void {
    this.#stop.abort();
    this.#loop = undefined;
    this.#ring = [];
    this.#ringSize = 0;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { pollMs = 150 } = this.#options;
    while (!signal.aborted) {
      const head = await this.#store.head();
      let isFull = false;
      if (head > this.#at!) {
        const from = this.#at!;
        const events = await this.#read(from);
        if (signal.aborted) return;
        isFull = events.length === pageSize;
        // Read before the events were: what came meanwhile lies beyond it.
        const to = isFull ? events.at(-1)!.seq : Math.max(head, events.at(-1)?.seq ?? 0);
        this.#push(from, to, events);
      }
      if (!isFull) await sleep(pollMs, signal);
    }
  }

  #read(after: number): Promise<readonly StoredEvent[]> {
    const { run, kinds } = this.#options;
    return this.#store.events({
      after,
      limit: pageSize,
      ...(run === undefined ? {} : { run }),
      ...(kinds === undefined ? {} : { kinds }),
    });
  }

  #push(from: number, to: number, events: readonly StoredEvent[]): void {
    this.#at = to;
    // A stretch without events of ours still moves everyone on.
    const frame = frameOf(from, to, events);
    this.#ring.push(frame);
    this.#ringSize += sizeOf(frame);
    while (this.#ringSize > ringBytes && this.#ring.length > 1) this.#ringSize -= sizeOf(this.#ring.shift()!);
    this.#wake();
  }

  #fromRing(at: number): Next | undefined {
    const first = this.#ring[0];
    if (first === undefined || at < first.from || at >= this.#at!) return undefined;
    let low = 0;
    for (let high = this.#ring.length - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#ring[middle]!.to > at) high = middle;
      else low = middle + 1;
    }
    const frame = this.#ring[low]!;
    if (at <= frame.from) return { bytes: frame.bytes, at: frame.to };
    return { bytes: laterThan(frame, at), at: frame.to };
  }

  /** A page for who stands behind the ring; one read at a time, so that many who are late cost no more than one. */
  #late(at: number): Promise<Next> {
    let reading = this.#reading.get(at);
    if (reading === undefined) {
      reading = this.#reads.then(() => this.#fromStore(at));
      this.#reading.set(at, reading);
      this.#reads = reading.catch(() => {
        // Whoever waits for this page hears of it.
      });
      void this.#reads.then(() => this.#reading.delete(at));
    }
    return reading;
  }

  async #fromStore(at: number): Promise<Next> {
    // Not beyond what is in the ring: from there on its frames are shared.
    const to = this.#ring[0]?.from ?? this.#at!;
    const events = await this.#read(at);
    const last = Math.max(events.length === pageSize ? 0 : to, events.at(-1)?.seq ?? at);
    return { bytes: frameOf(at, last, events).bytes, at: last };
  }

  /** Waits for a frame. @returns false where none came for a while */
  #news(signal: AbortSignal): Promise<boolean> {
    if (this.#fault !== undefined) throw this.#fault;
    return new Promise((resolve) => {
      const settle = (isNews: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#waiting = this.#waiting.filter((each) => each !== wake);
        resolve(isNews);
      };
      const wake = (): void => settle(true);
      const abort = (): void => settle(false);
      const timer = setTimeout(abort, beatMs);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(wake);
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

const empty = new Uint8Array(0);

function frameOf(from: number, to: number, events: readonly StoredEvent[]): Frame {
  return { from, to, events: events.length, bytes: bytesOf(events.map(shortened), to) };
}

function sizeOf(frame: Frame): number {
  return 200 + frame.bytes.length;
}

/** JSON has no bare line ends, so one data line holds the whole list. */
function bytesOf(events: readonly LiveEvent[], to: number): Uint8Array {
  if (events.length === 0) return empty;
  return encoder.encode(`id: ${to}\nevent: events\ndata: ${JSON.stringify(events)}\n\n`);
}

/** The part of a frame behind an event inside it: for who came back in its middle. */
function laterThan({ bytes, to, events }: Frame, at: number): Uint8Array {
  if (events === 0) return empty;
  const text = new TextDecoder().decode(bytes);
  const list = JSON.parse(text.slice(text.indexOf('data: ') + 6)) as readonly LiveEvent[];
  return bytesOf(
    list.filter(({ seq }) => seq > at),
    to,
  );
}

/** The event without what a list does not show. */
function shortened({ seq, run, atMs, kind, key, data }: StoredEvent): LiveEvent {
  const about = { seq, run, atMs, kind };
  switch (kind) {
    case 'trial': {
      const { set, layer, item, status, value, cluster, why } = data as Readonly<Record<string, Json>>;
      const short = typeof why === 'string' ? cut(why) : undefined;
      return { ...about, data: only({ set, layer, item, status, value, cluster, why: short }) };
    }
    case 'call': {
      const { model, inputTokens, outputTokens, costUsd, latencyMs, cached } = data as Readonly<Record<string, Json>>;
      return { ...about, data: only({ model, inputTokens, outputTokens, costUsd, latencyMs, cached }) };
    }
    case 'progress':
    case 'run.status':
    case 'trial.failed':
    case 'label':
    case 'layer':
      return { ...about, ...(key === undefined ? {} : { key }), data };
    default:
      return { ...about, ...(key === undefined ? {} : { key: cut(key) }) };
  }
}

function only(object: Readonly<Record<string, Json | undefined>>): Json {
  return Object.fromEntries(Object.entries(object).filter((entry): entry is [string, Json] => entry[1] !== undefined));
}

function cut(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 159)}…`;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
