/**
 * How far a run is, and what time and money are left, from what was done live: replayed trials took no time and say
 * nothing about the rest.
 */
import type { Spending } from '../models/ports.ts';

export interface Progress {
  readonly run: string;
  readonly done: number;
  readonly of: number;
  readonly note: string;
  readonly errors: number;
  /** From the rate of this process; absent until it can be told. */
  readonly msLeft?: number;
  readonly spent: Spending;
  /** In the currency of the price file; absent where nothing is priced. */
  readonly moneyLeft?: number;
}

/** One bar: feed it with what is done, read what is left. */
export class Meter {
  readonly #run: string;
  readonly #beganMs = performance.now();
  readonly #spent: () => Spending;
  readonly #spentBefore: Spending;
  #replayed = 0;

  constructor(run: string, spent: () => Spending) {
    this.#run = run;
    this.#spent = spent;
    this.#spentBefore = spent();
  }

  /** Trials that were already there. */
  skip(count: number): void {
    this.#replayed += count;
  }

  read(done: number, of: number, note: string, errors = 0): Progress {
    const live = done - this.#replayed;
    const spent = this.#spent();
    const shareLeft = live > 0 ? Math.max(0, of - done) / live : undefined;
    const money = spent.money - this.#spentBefore.money;
    return {
      run: this.#run,
      done,
      of,
      note,
      errors,
      spent,
      ...(shareLeft === undefined ? {} : { msLeft: Math.round((performance.now() - this.#beganMs) * shareLeft) }),
      ...(shareLeft === undefined || money === 0 ? {} : { moneyLeft: money * shareLeft }),
    };
  }
}
