/**
 * The ports of ports.ts in this process's memory: a call log, a reply cache, a rate counter and a ledger.
 *
 * For tests, and for runs that share nothing with other processes. Each states what it promises; they need nothing but
 * the interfaces of ports.ts.
 */
import type {
  CachedReply,
  CallLog,
  Ledger,
  RateCounter,
  RecordedCall,
  ReplyCache,
  Reservation,
  Spending,
} from './ports.ts';

/** A log in memory; `calls` holds everything committed, failures included, in order. */
export function memoryCallLog(): CallLog & { readonly calls: readonly RecordedCall[] } {
  const calls: RecordedCall[] = [];
  const byKey = new Map<string, RecordedCall>();
  return {
    calls,
    lookup: (key) => byKey.get(key),
    commit(call) {
      calls.push(call);
      if (call.outcome === 'reply') byKey.set(call.key, call);
    },
  };
}

/** A cache in memory that keeps the `capacity` entries used last. */
export function memoryCache(capacity = 10_000): ReplyCache {
  const entries = new Map<string, CachedReply>();
  return {
    get(key) {
      const found = entries.get(key);
      if (found !== undefined) {
        // Re-inserting makes it the youngest: a Map iterates in insertion order.
        entries.delete(key);
        entries.set(key, found);
      }
      return found;
    },
    set(key, reply) {
      entries.delete(key);
      entries.set(key, reply);
      if (entries.size > capacity) {
        const [oldest] = entries.keys();
        if (oldest !== undefined) entries.delete(oldest);
      }
    },
  };
}

/**
 * A counter in memory: a sliding log. No span of one window, wherever it starts, sees more than the limit.
 */
export function memoryRateCounter(now: () => number = Date.now): RateCounter {
  const logs = new Map<string, { at: number; amount: number }[]>();
  return {
    take(resource, amount, limit) {
      const at = now();
      let log = logs.get(resource);
      if (log === undefined) logs.set(resource, (log = []));
      const firstInside = log.findIndex((entry) => entry.at > at - limit.windowMs);
      log.splice(0, firstInside === -1 ? log.length : firstInside);
      // A call larger than the whole limit could never pass; it passes alone, in an empty window.
      const cost = Math.min(amount, limit.amount);
      let excess = log.reduce((sum, entry) => sum + entry.amount, 0) + cost - limit.amount;
      if (excess <= 0) {
        log.push({ at, amount: cost });
        return 0;
      }
      for (const entry of log) {
        excess -= entry.amount;
        if (excess <= 0) return Math.max(1, entry.at + limit.windowMs - at);
      }
      return limit.windowMs;
    },
  };
}

/** A ledger in memory, beginning with what earlier parts of the run spent. */
export function memoryLedger(spent: Spending = { money: 0, tokens: 0, calls: 0 }): Ledger {
  const used = { ...spent };
  const held = { money: 0, tokens: 0, calls: 0 };
  return {
    reserve(worst, limit) {
      let answer: Reservation = 'granted';
      for (const kind of spendingKinds) {
        const most = limit[kind];
        if (most === undefined) continue;
        // Sums of money in binary fractions: a billionth of the limit is not an overshoot.
        const slack = most * 1e-9;
        if (used[kind] + worst[kind] > most + slack) return 'exhausted';
        if (used[kind] + held[kind] + worst[kind] > most + slack) answer = 'wait';
      }
      if (answer === 'granted') for (const kind of spendingKinds) held[kind] += worst[kind];
      return answer;
    },
    settle(reserved, actual) {
      for (const kind of spendingKinds) {
        held[kind] = Math.max(0, held[kind] - reserved[kind]);
        used[kind] += actual[kind];
      }
    },
    read: () => ({ spent: { ...used }, reserved: { ...held } }),
  };
}

const spendingKinds = ['money', 'tokens', 'calls'] as const;
