/**
 * How many requests are answered at once, and how many may wait. One that finds the queue full is refused at once with
 * the time after which to come back; one whose client goes away leaves the queue.
 */
import { RequestError } from './errors.ts';

export interface AdmissionOptions {
  readonly maxConcurrency: number;
  readonly maxQueue: number;
  /** Longest wait in the queue. */
  readonly queueTimeoutMs: number;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #queue = new Set<() => void>();
  #running = 0;
  /** Of finished requests, with more weight on late ones. */
  #meanMs = 1000;
  #idle: (() => void)[] = [];

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /**
   * Waits for a slot.
   *
   * @returns what frees it, to be called once; more calls do nothing
   * @throws RequestError 429 where the queue is full or the wait was too long; the reason of `signal`
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#running >= this.#options.maxConcurrency) {
      if (this.#queue.size >= this.#options.maxQueue) throw this.#full('the queue is full');
      await this.#wait(signal);
    } else this.#running++;
    const since = performance.now();
    let isFree = false;
    return () => {
      if (isFree) return;
      isFree = true;
      this.#meanMs = 0.8 * this.#meanMs + 0.2 * (performance.now() - since);
      this.#leave();
    };
  }

  /** Resolves when nothing runs and nothing waits. */
  async drained(): Promise<void> {
    if (this.#running === 0 && this.#queue.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#queue.delete(admit);
        then();
      };
      const admit = (): void => settle(resolve);
      const abort = (): void => settle(() => reject(asError(signal.reason)));
      const timer = setTimeout(
        () => settle(() => reject(this.#full('the wait was too long'))),
        this.#options.queueTimeoutMs,
      );
      signal.addEventListener('abort', abort, { once: true });
      this.#queue.add(admit);
    });
  }

  /** A freed slot goes to the one that has waited longest. */
  #leave(): void {
    const [next] = this.#queue;
    if (next !== undefined) {
      next();
      return;
    }
    this.#running--;
    if (this.#running > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle = [];
  }

  #full(why: string): RequestError {
    const { maxConcurrency } = this.#options;
    const seconds = Math.ceil((this.#meanMs * (this.#queue.size + 1)) / maxConcurrency / 1000);
    return new RequestError({
      status: 429,
      message: `${this.#running} requests are being answered and ${this.#queue.size} wait: ${why}. Come back later.`,
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      retryAfterSeconds: Math.min(60, Math.max(1, seconds)),
    });
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
