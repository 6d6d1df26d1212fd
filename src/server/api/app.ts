/**
 * The API: every route under `/api`, and its type, of which the screens' client is made.
 */
import { Hono } from 'hono';
import { getCookie } from 'hono/cookie';
import { z } from 'zod';
import type { ServerEnv } from '../access/gate.ts';
import { cookieName } from '../access/gate.ts';
import type { Sessions } from '../access/sessions.ts';
import { pulledStream } from '../live/stream.ts';
import type { Insides } from '../inside/insides.ts';
import type { ModelPool } from '../models/pool.ts';
import { artefactRoutes } from './artefacts.ts';
import { evidenceRoutes } from './evidence.ts';
import { insideRoutes } from './inside.ts';
import { modelRoutes } from './models.ts';
import { query } from './input.ts';
import { labelRoutes } from './labels.ts';
import { methodRoutes } from './methods.ts';
import type { ApiParts } from './parts.ts';
import { runRoutes } from './runs.ts';

export const createApi = (parts: ApiParts, sessions: Sessions, pool: ModelPool, insides: Insides) =>
  new Hono<ServerEnv>()
    .get('/session', (context) => {
      const { person, session } = context.get('caller');
      return context.json({
        name: person.name,
        role: person.role,
        word: session?.forgeryWord ?? '',
        isOpen: parts.isOpen,
        store: parts.store.address,
      });
    })
    .post('/session/end', (context) => {
      const id = getCookie(context, cookieName(context));
      if (id !== undefined) sessions.end(id);
      return context.json({ ended: true });
    })
    .get('/live', query(z.strictObject({ after: z.coerce.number().int().min(0).optional() })), (context) => {
      const known = Number(context.req.header('last-event-id') ?? context.req.valid('query').after);
      const control = new AbortController();
      const signal = AbortSignal.any([context.req.raw.signal, parts.stopping, control.signal]);
      return pulledStream(parts.hubOf().watch(Number.isSafeInteger(known) ? known : undefined, signal), control);
    })
    .route('/runs', runRoutes(parts))
    .route('/methods', methodRoutes(parts))
    .route('/labels', labelRoutes(parts))
    .route('/artefacts', artefactRoutes(parts))
    .route('/models', modelRoutes(parts, pool))
    .route('/inside', insideRoutes(parts, insides))
    .route('/evidence', evidenceRoutes(parts));

/** What the screens' typed client is made of. */
export type Api = ReturnType<typeof createApi>;
