/**
 * Stop strings in a stream of text: what could still become one is held back, so that its beginning never leaks, and
 * the stream ends before the first one. Of several that end at one place the longest counts, so that none of it stays.
 */
import { FiducialError } from '../../core/errors.ts';

export interface Scanned {
  /** Text that is certain now. */
  readonly text: string;
  /** The stop string that was found; nothing comes after it. */
  readonly stop?: string;
}

/** Takes pieces of text, gives what may be shown. */
export class StopScanner {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = '';

  /** @throws FiducialError `generate.option` for an empty stop string */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) {
      throw new FiducialError('generate.option', 'a stop string is empty', 'Leave it out: it would stop everything.');
    }
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  push(piece: string): Scanned {
    if (this.#longest === 0) return { text: piece };
    const text = this.#held + piece;
    const found = this.#find(text);
    if (found !== undefined) {
      this.#held = '';
      return { text: text.slice(0, found.at), stop: found.stop };
    }
    let from = Math.max(0, text.length - this.#longest + 1);
    while (from < text.length && !this.#stops.some((stop) => stop.startsWith(text.slice(from)))) from++;
    this.#held = text.slice(from);
    return { text: text.slice(0, from) };
  }

  /** What is still held back, when nothing more comes. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** The stop string that ends first, and starts first of those. */
  #find(text: string): { at: number; stop: string } | undefined {
    let found: { at: number; stop: string } | undefined;
    let end = Infinity;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const ends = at + stop.length;
      if (ends > end || (ends === end && at >= found!.at)) continue;
      found = { at, stop };
      end = ends;
    }
    return found;
  }
}
