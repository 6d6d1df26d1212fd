/**
 * A bucket of tokens for each caller: so many requests at once, so many a second after that.
 */

export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { level: number; atMs: number }>();

  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
  }

  /** Takes one. @returns 0 where it may go on, else the seconds to wait */
  take(caller: string): number {
    const nowMs = this.#now();
    const bucket = this.#buckets.get(caller) ?? { level: this.#burst, atMs: nowMs };
    bucket.level = Math.min(this.#burst, bucket.level + ((nowMs - bucket.atMs) / 1000) * this.#perSecond);
    bucket.atMs = nowMs;
    this.#forget(nowMs);
    this.#buckets.set(caller, bucket);
    if (bucket.level < 1) return Math.max(1, Math.ceil((1 - bucket.level) / this.#perSecond));
    bucket.level--;
    return 0;
  }

  /** Callers whose bucket is full again say nothing; beyond that the memory stays bounded whoever calls. */
  #forget(nowMs: number): void {
    if (this.#buckets.size < 10_000) return;
    const fullAfterMs = (this.#burst / this.#perSecond) * 1000;
    for (const [caller, { atMs }] of this.#buckets) if (nowMs - atMs > fullAfterMs) this.#buckets.delete(caller);
    while (this.#buckets.size >= 10_000) this.#buckets.delete(this.#buckets.keys().next().value!);
  }
}
