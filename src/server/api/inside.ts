/**
 * The inside of a model with open weights over the API.
 */
import { Hono } from 'hono';
import { z } from 'zod';
import { requireRole, type ServerEnv } from '../access/gate.ts';
import type { Insides } from '../inside/insides.ts';
import type { InsideQuestion } from '../inside/protocol.ts';
import { statusError } from './errors.ts';
import { requireKnownFillings } from './fillings.ts';
import { body } from './input.ts';
import type { ApiParts } from './parts.ts';

const model = z.string().min(1).max(1_000);
const text = z.string().min(1).max(100_000);
const index = z.int().min(0).max(1e6);

const heatBody = z.strictObject({
  model,
  text,
  site: z.string().max(200),
  unit: index.optional(),
  head: index.optional(),
});
const attentionBody = z.strictObject({ model, text, layer: index });
const lensBody = z.strictObject({ model, text, top: z.int().min(1).max(10).default(3) });
const steerBody = z.strictObject({
  model,
  prompt: text,
  towards: text,
  away: text,
  layer: index,
  strength: z.number().min(-1_000).max(1_000),
  tokens: z.int().min(1).max(64).default(16),
});

export const insideRoutes = (parts: ApiParts, insides: Insides) => {
  const folderOf = (address: string): string => {
    requireKnownFillings(parts, { model: address });
    const whole = Object.hasOwn(parts.config.models, address) ? parts.config.models[address]! : address;
    const folder = /^(?:folder|hf):(.+)$/.exec(whole)?.[1] ?? whole;
    if (/^[a-z][\w-]*:/i.test(folder)) {
      throw statusError(
        400,
        'inside.no-weights',
        `${JSON.stringify(address)} has no open weights`,
        'Name a model folder.',
      );
    }
    return folder;
  };
  const ask = async <Q extends InsideQuestion>(address: string, question: Q) =>
    await insides.ask(folderOf(address), question);
  return new Hono<ServerEnv>()
    .post('/open', requireRole('operator'), body(z.strictObject({ model })), async (context) =>
      context.json(await insides.open(folderOf(context.req.valid('json').model))),
    )
    .post('/heat', requireRole('operator'), body(heatBody), async (context) => {
      const { model, unit, head, ...rest } = context.req.valid('json');
      const one = { ...(unit === undefined ? {} : { unit }), ...(head === undefined ? {} : { head }) };
      return context.json(await ask(model, { do: 'heat', ...rest, ...one }));
    })
    .post('/attention', requireRole('operator'), body(attentionBody), async (context) => {
      const { model, ...rest } = context.req.valid('json');
      return context.json(await ask(model, { do: 'attention', ...rest }));
    })
    .post('/lens', requireRole('operator'), body(lensBody), async (context) => {
      const { model, ...rest } = context.req.valid('json');
      return context.json(await ask(model, { do: 'lens', ...rest }));
    })
    .post('/steer', requireRole('operator'), body(steerBody), async (context) => {
      const { model, ...rest } = context.req.valid('json');
      return context.json(await ask(model, { do: 'steer', ...rest }));
    });
};
