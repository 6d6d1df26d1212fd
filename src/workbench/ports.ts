/**
 * The ports of the models layer over a run in the store: the call log and the reply cache.
 *
 * A call is committed before its reply is delivered, under the recorder's key; a failed one is an event of its own,
 * because it is no past call and is asked again. Keys that exist when the run opens are read once, so that a fresh call
 * costs no look-up; a run that several processes work on looks each one up.
 */
import type { Json } from '../core/values.ts';
import type { ReplyEvent, Usage } from '../models/model.ts';
import type { CachedReply, CallLog, RecordedCall, ReplyCache, Spending } from '../models/ports.ts';
import type { CallRecord, Run, Store } from '../store/store.ts';

export interface RunCallLog extends CallLog {
  /** What the calls of this run and of its children cost before this process began. */
  readonly spent: Spending;
  /** Calls `hear` with what each further call cost. */
  listen(hear: (spent: Spending) => void): void;
}

/** The call log of one run. `isShared`: other processes add calls to it meanwhile. */
export async function openCallLog(run: Run, isShared = false): Promise<RunCallLog> {
  const known = new Set<string>();
  let spent = noSpending;
  for (let after = 0; ;) {
    const page = await run.calls({ after, limit: 10_000 });
    for (const call of page) {
      known.add(call.key);
      spent = addCall(spent, call);
    }
    if (page.length < 10_000) break;
    after = page.at(-1)!.seq;
  }
  let hear: ((spent: Spending) => void) | undefined;
  return {
    spent,
    listen: (listener) => void (hear = listener),
    async lookup(key) {
      if (!isShared && !known.has(key)) return undefined;
      const past = await run.call(key);
      return past === undefined ? undefined : fromRecord(key, past);
    },
    async commit(call) {
      if (call.outcome === 'error') {
        const { events: _, ask: __, ...rest } = call;
        await run.append({ kind: 'call.failed', data: JSON.parse(JSON.stringify(rest)) as Json });
        return;
      }
      const record = toRecord(call);
      await run.recordCall(call.key, record);
      known.add(call.key);
      hear?.(addCall(noSpending, record));
    },
  };
}

/** What the children of a run spent, and theirs. */
export async function spentByChildren(store: Store, run: Run): Promise<Spending> {
  let spent = noSpending;
  for (const info of await run.children()) {
    const child = await store.run(info.id);
    const own = await openCallLog(child);
    spent = addSpending(addSpending(spent, own.spent), await spentByChildren(store, child));
  }
  return spent;
}

export const noSpending: Spending = { money: 0, tokens: 0, calls: 0 };

export function addSpending(a: Spending, b: Spending): Spending {
  return { money: a.money + b.money, tokens: a.tokens + b.tokens, calls: a.calls + b.calls };
}

function addCall(spent: Spending, call: Omit<CallRecord, 'request' | 'reply'>): Spending {
  if (call.cached === true) return spent;
  return addSpending(spent, {
    money: call.costUsd ?? 0,
    tokens: (call.inputTokens ?? 0) + (call.outputTokens ?? 0),
    calls: Math.max(1, call.attempts ?? 1),
  });
}

/** What the log keeps of a call beside the figures that the store sums. */
interface StoredReply {
  readonly events: readonly ReplyEvent[];
  readonly meta: Omit<RecordedCall, 'key' | 'modelId' | 'ask' | 'events' | 'outcome' | 'cached' | 'latencyMs' | 'cost'>;
}

function toRecord(call: RecordedCall): CallRecord {
  const { key: _, modelId, ask, events, outcome: __, cached, latencyMs, cost, ...meta } = call;
  const reply: StoredReply = { events, meta };
  return {
    model: modelId,
    request: ask,
    reply: reply as unknown as Json,
    attempts: Math.max(1, meta.attempts.length),
    latencyMs: Math.round(latencyMs * 10) / 10,
    scope: meta.scope,
    ...tokensOf(meta.usage),
    ...(cost === undefined ? {} : { costUsd: cost }),
    ...(meta.replyId === undefined ? {} : { providerId: meta.replyId }),
    ...(cached ? { cached } : {}),
  };
}

function tokensOf(usage: Usage | undefined): { inputTokens?: number; outputTokens?: number } {
  return usage === undefined ? {} : { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens };
}

function fromRecord(key: string, record: CallRecord): RecordedCall {
  const { events, meta } = record.reply as unknown as StoredReply;
  return {
    key,
    modelId: record.model,
    ask: record.request,
    outcome: 'reply',
    events,
    cached: record.cached ?? false,
    latencyMs: record.latencyMs ?? 0,
    ...(record.costUsd === undefined ? {} : { cost: record.costUsd }),
    ...meta,
  };
}

/** The reply cache of a store; entries live in the scope `replies`. */
export function storeCache(store: Store, lifetimeMs?: number): ReplyCache {
  return {
    get: async (key) => (await store.cache.get('replies', key)) as unknown as CachedReply | undefined,
    set: async (key, reply) =>
      await store.cache.set('replies', key, reply as unknown as Json, lifetimeMs === undefined ? {} : { lifetimeMs }),
  };
}
