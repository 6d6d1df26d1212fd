/**
 * A cache of replies by content.
 *
 * By default only asks whose reply is meant to be the same each time are answered from it (temperature 0, or a seed):
 * a sample that is drawn twice must be two samples, or every interval built on it is too narrow. `always` also keeps
 * sampled replies, but by the place of the call in the run, so that a repeated run reuses them and two trials never
 * share one.
 */
import { askHash, sha256 } from './key.ts';
import type { Ask, Model, ReplyEvent } from './model.ts';
import type { ReplyCache } from './ports.ts';
import type { Redactor } from './redact.ts';
import { wrap } from './wrap.ts';

export interface CacheOptions {
  readonly cache: ReplyCache;
  /** Entries are shared only inside one scope: a project, a user, a model's deployment. @default '' */
  readonly scope?: string;
  /** How long an entry may be used. @default forever */
  readonly ttlMs?: number;
  /** Which asks are answered from the cache. @default 'deterministic' */
  readonly when?: 'deterministic' | 'always';
  /** Masks what is kept. */
  readonly redactor: Redactor;
  readonly now?: () => number;
}

/**
 * `inner`, answering from the cache where it may.
 *
 * @example const cached = cacheReplies(model, { cache: memoryCache(), redactor, ttlMs: 86_400_000 });
 */
export function cacheReplies<M extends Model>(inner: M, options: CacheOptions): M {
  const { cache, scope = '', ttlMs = Infinity, when = 'deterministic', redactor, now = Date.now } = options;
  return wrap(inner, async function* (ask, signal, callOptions) {
    const place = isDeterministic(ask)
      ? ''
      : when === 'always' && callOptions?.trace !== undefined
        ? `${callOptions.trace.scope}#${callOptions.trace.ordinal}`
        : undefined;
    if (place === undefined) {
      yield* inner.reply(ask, signal, callOptions);
      return;
    }
    const key = sha256(JSON.stringify([scope, inner.id, askHash(ask), place]));
    const found = await cache.get(key);
    if (found !== undefined && now() - found.storedAt < ttlMs) {
      if (callOptions?.trace !== undefined) callOptions.trace.cached = true;
      yield* found.events;
      return;
    }
    const events: ReplyEvent[] = [];
    for await (const event of inner.reply(ask, signal, callOptions)) {
      events.push(event);
      if (callOptions?.incremental === true) yield event;
    }
    // Only whole replies are kept; a generator that is abandoned half-way never gets here.
    const masked = redactor.events(events);
    if (masked.at(-1)?.type === 'end') await cache.set(key, { events: masked, storedAt: now() });
    if (callOptions?.incremental !== true) yield* masked;
  });
}

/** Whether the ask wants the same reply each time. */
function isDeterministic(ask: Ask): boolean {
  return ask.temperature === 0 || ask.seed !== undefined;
}
