/**
 * Talking to models: a reply as it streams, with every verdict of the guards before it.
 */
import { Hono } from 'hono';
import { z } from 'zod';
import { describeEgress } from '../../models/egress.ts';
import { guarded, keywordGuard } from '../../models/guard/index.ts';
import type { Ask, Model, ReplyEvent } from '../../models/model.ts';
import { catalogue } from '../../methods/index.ts';
import { requireRole, type ServerEnv } from '../access/gate.ts';
import { pulledStream } from '../live/stream.ts';
import type { ModelPool } from '../models/pool.ts';
import { errorReply, statusError } from './errors.ts';
import { requireKnownFillings } from './fillings.ts';
import { body } from './input.ts';
import type { ApiParts } from './parts.ts';

const message = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string().max(1_000_000),
});

const replyBody = z.strictObject({
  model: z.string().min(1).max(1_000),
  messages: z.array(message).min(1).max(1_000),
  temperature: z.number().min(0).max(5).optional(),
  maxTokens: z.int().min(1).max(100_000).optional(),
  /** Words of a keyword guard before the model. */
  keywords: z.array(z.string().min(1).max(200)).max(1_000).default([]),
  isAuthorised: z.boolean().default(false),
});

export const modelRoutes = (parts: ApiParts, pool: ModelPool) =>
  new Hono<ServerEnv>()
    .get('/', async (context) => {
      // Names of the configuration, addresses of recent runs, and the demonstrations' planted models.
      const { items } = await parts.store.runs({ limit: 100 });
      const recent: string[] = [];
      for (const { id } of items.slice(0, 40)) {
        const event = await (await parts.store.run(id)).event('request', 'request');
        const fillings = (event?.data as { readonly asked?: { readonly fillings?: Readonly<Record<string, unknown>> } })
          ?.asked?.fillings;
        for (const filling of Object.values(fillings ?? {}).flat())
          if (typeof filling === 'string') recent.push(filling);
      }
      const demos = catalogue.flatMap(({ id, needs }) =>
        Object.entries(needs).flatMap(([role, need]) => (need.kind === 'model' ? [`demo:${id}#${role}`] : [])),
      );
      const looksLikeModel = (address: string): boolean => !/\.(jsonl?|csv|ya?ml)$/.test(address);
      return context.json({
        named: Object.keys(parts.config.models),
        recent: parts.isOpen ? [] : [...new Set(recent)].filter(looksLikeModel).slice(0, 30),
        demos,
      });
    })
    .post('/reply', requireRole('operator'), body(replyBody), async (context) => {
      const { model: address, keywords, isAuthorised, ...asked } = context.req.valid('json');
      if (!address.startsWith('demo:')) requireKnownFillings(parts, { model: address });
      const control = new AbortController();
      const signal = AbortSignal.any([context.req.raw.signal, parts.stopping, control.signal]);
      const ask: Ask = Object.fromEntries(
        Object.entries(asked).filter(([, value]) => value !== undefined),
      ) as unknown as Ask;
      return pulledStream(replyFrames(pool, address, keywords, ask, isAuthorised, signal), control);
    });

const encoder = new TextEncoder();
const frame = (value: unknown): Uint8Array => encoder.encode(`data: ${JSON.stringify(value)}\n\n`);

/** Each event of the reply as it comes, with the time since it was asked; a failure is an event too. */
async function* replyFrames(
  pool: ModelPool,
  address: string,
  keywords: readonly string[],
  ask: Ask,
  isAuthorised: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const began = performance.now();
  const waiting: Uint8Array[] = [];
  let wake = (): void => {};
  let isOver = false;
  const push = (value: unknown): void => {
    waiting.push(frame(value));
    wake();
  };
  const work = pool
    .with(address, async (model) => {
      requireLeave(model, isAuthorised);
      const whole = keywords.length === 0 ? model : guarded(model, [keywordGuard(keywords)]);
      for await (const event of whole.reply(ask, signal, { incremental: true })) {
        push({ ...(event satisfies ReplyEvent), ms: Math.round(performance.now() - began) });
      }
    })
    .catch((error: unknown) => {
      if (!signal.aborted) push(errorReply(error).body);
    })
    .finally(() => {
      isOver = true;
      wake();
    });
  for (;;) {
    const next = waiting.shift();
    if (next !== undefined) yield next;
    else if (isOver) break;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
  await work;
}

/** @throws FiducialError `run.not-authorised` for an endpoint that is not this machine, unless the person said so */
function requireLeave(model: Model, isAuthorised: boolean): void {
  const [away] = describeEgress([model]).filter(({ isLocal }) => !isLocal);
  if (away === undefined || isAuthorised) return;
  throw statusError(
    403,
    'run.not-authorised',
    `What you write will be sent to ${away.host ?? away.address}, which is not this machine`,
    'Say that you may do that.',
  );
}
