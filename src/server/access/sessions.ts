/**
 * Sessions in memory: a cookie nobody can read from a page, and a second word against forged requests.
 *
 * They end with the server, after twelve hours, or after two without a request. The token of a start is compared by
 * its digest, so that the time of an answer tells nothing about it.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Person } from './people.ts';

export interface Session {
  readonly person: Person;
  /** Must come back in a header with every request that changes something. */
  readonly forgeryWord: string;
  /** Made from the session's id, for limits and logs; not the id. */
  readonly shortName: string;
}

interface Kept extends Session {
  readonly beganMs: number;
  seenMs: number;
}

const longestMs = 12 * 3_600_000;
const longestIdleMs = 2 * 3_600_000;
const mostSessions = 10_000;

export class Sessions {
  readonly #sessions = new Map<string, Kept>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** @returns the id, for the cookie */
  begin(person: Person): string {
    const nowMs = this.#now();
    for (const [key, session] of this.#sessions) if (this.#isOver(session, nowMs)) this.#sessions.delete(key);
    // The oldest goes first, so that logging in again and again cannot fill the memory.
    while (this.#sessions.size >= mostSessions) this.#sessions.delete(this.#sessions.keys().next().value!);
    const id = randomBytes(32).toString('base64url');
    const key = digest(id).toString('hex');
    this.#sessions.set(key, {
      person,
      forgeryWord: randomBytes(24).toString('base64url'),
      shortName: key.slice(0, 12),
      beganMs: nowMs,
      seenMs: nowMs,
    });
    return id;
  }

  find(id: string): Session | undefined {
    // Looked up by digest: how long it takes depends on nothing that a guesser sends.
    const key = digest(id).toString('hex');
    const session = this.#sessions.get(key);
    const nowMs = this.#now();
    if (session === undefined || this.#isOver(session, nowMs)) return undefined;
    session.seenMs = nowMs;
    return session;
  }

  end(id: string): void {
    this.#sessions.delete(digest(id).toString('hex'));
  }

  #isOver(session: Kept, nowMs: number): boolean {
    return nowMs - session.beganMs > longestMs || nowMs - session.seenMs > longestIdleMs;
  }
}

/** A token for one start of a server. */
export const newToken = (): string => randomBytes(24).toString('base64url');

/** Compares two secrets in a time that tells nothing. */
export function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
