/**
 * Runs over the API: lists, one run, its trials by page, its log as it grows, and what can be done with it.
 */
import { Hono } from 'hono';
import { z } from 'zod';
import type { Outcome } from '../../core/measures.ts';
import { random } from '../../core/random.ts';
import type { Json } from '../../core/values.ts';
import type { Run, RunStatus, StoredEvent } from '../../store/index.ts';
import { describeDifference } from '../../workbench/compare.ts';
import { defined } from '../../workbench/configured.ts';
import { readOutcome, type StoredOutcome, takeAgain } from '../../workbench/figures.ts';
import type { Request } from '../../workbench/resume.ts';
import { defaultMaxErrorShare } from '../../workbench/world.ts';
import { requireRole, type ServerEnv } from '../access/gate.ts';
import { pulledStream } from '../live/stream.ts';
import { compareMany } from './comparison.ts';
import { statusError } from './errors.ts';
import { anyJson, body, query } from './input.ts';
import type { ApiParts } from './parts.ts';
import { fillingSchema, requireKnownFillings } from './fillings.ts';

const statuses = ['created', 'running', 'waiting', 'stopped', 'failed', 'done'] as const satisfies RunStatus[];
const count = (most: number): z.ZodType<number> => z.coerce.number().int().min(0).max(most);

const runsQuery = z.strictObject({
  method: z.string().max(200).optional(),
  status: z.enum(statuses).optional(),
  text: z.string().max(500).optional(),
  order: z.enum(['newest', 'oldest']).optional(),
  limit: count(1_000).optional(),
  offset: count(1e9).optional(),
  /** Child runs too. */
  children: z.literal('1').optional(),
});

const trialsQuery = z.strictObject({
  set: z.string().max(1_000).optional(),
  layer: z.string().max(1_000).optional(),
  status: z.enum(['measured', 'undetermined', 'error']).optional(),
  cluster: z.string().max(1_000).optional(),
  text: z.string().max(500).optional(),
  minValue: z.coerce.number().optional(),
  maxValue: z.coerce.number().optional(),
  order: z.enum(['recorded', 'item', 'value']).optional(),
  limit: count(1_000).optional(),
  offset: count(1e9).optional(),
});

const startBody = z.strictObject({
  method: z.string().max(200),
  params: z.record(z.string(), anyJson).default({}),
  fillings: z.record(z.string(), fillingSchema).default({}),
  rows: z.record(z.string(), z.array(anyJson).max(100_000)).default({}),
  isDemo: z.boolean().default(false),
  seed: z.union([z.int(), z.string().max(200)]).optional(),
  replicate: z.int().min(0).max(1e6).optional(),
  isAuthorised: z.boolean().default(false),
});

const rescoreBody = z.strictObject({
  verdict: z.string().min(1).max(1_000),
  judge: z.string().min(1).max(1_000).optional(),
  layer: z.string().min(1).max(200).optional(),
  isAuthorised: z.boolean().default(false),
});

// One expression, because the types of the screens' client are made of the chain.
export const runRoutes = (parts: ApiParts) =>
  new Hono<ServerEnv>()
    .get('/', query(runsQuery), async (context) => {
      const { children, ...asked } = context.req.valid('query');
      const page = await parts.store.runs({ ...defined(asked), ...(children === undefined ? { parent: null } : {}) });
      return context.json({ total: page.total, items: page.items });
    })
    .post('/', requireRole('operator'), body(startBody), async (context) => {
      const request = context.req.valid('json');
      requireKnownFillings(parts, request.fillings);
      const { seed, replicate, ...rest } = request;
      const run = await parts.jobs.start({
        do: 'run',
        request: {
          ...rest,
          ...(seed === undefined ? {} : { seed }),
          ...(replicate === undefined ? {} : { replicate }),
        },
      });
      return context.json({ run }, 201);
    })
    .get(
      '/compare',
      query(
        z.strictObject({
          runs: z.string().regex(/^[0-9a-z]+(,[0-9a-z]+){1,7}$/),
          layer: z.string().max(200).optional(),
        }),
      ),
      async (context) => {
        const { runs, layer } = context.req.valid('query');
        const opened = await Promise.all(runs.split(',').map((id) => parts.store.run(id)));
        const comparison = await compareMany(opened, layer);
        return context.json({
          ...comparison,
          words: comparison.against.map((each) => each.differences.map(describeDifference)),
        });
      },
    )
    .get('/:id', query(z.strictObject({ layer: z.string().max(200).optional() })), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      return context.json(await describe(parts, run, context.req.valid('query').layer));
    })
    .get('/:id/trials', query(trialsQuery), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      const { items, total } = await run.trials(defined(context.req.valid('query')));
      return context.json({ items, total });
    })
    .get(
      '/:id/trial',
      query(z.strictObject({ set: z.string().max(1_000), item: z.string().max(10_000) })),
      async (context) => {
        const run = await parts.store.run(context.req.param('id'));
        const { set, item } = context.req.valid('query');
        return context.json(await describeTrial(parts, run, set, item));
      },
    )
    .get('/:id/live', query(z.strictObject({ after: count(1e15).optional() })), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      const known = Number(context.req.header('last-event-id') ?? context.req.valid('query').after);
      const control = new AbortController();
      const signal = AbortSignal.any([context.req.raw.signal, parts.stopping, control.signal]);
      return pulledStream(parts.hubOf(run.id).watch(Number.isSafeInteger(known) ? known : undefined, signal), control);
    })
    .post('/:id/stop', requireRole('operator'), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      const { name } = context.get('caller').person;
      if (parts.jobs.stop(run.id, `stopped by ${name}`)) return context.json({ run: run.id });
      const lease = await parts.store.leases.get(`run/${run.id}`);
      throw lease === undefined
        ? statusError(409, 'run.not-running', `Nobody works on run ${run.id}`, '')
        : statusError(409, 'run.elsewhere', `Run ${run.id} is worked on by ${lease.owner}`, 'Stop it there.');
    })
    .post('/:id/resume', requireRole('operator'), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      return context.json({ run: await parts.jobs.start({ do: 'resume', run: run.id }) });
    })
    .post('/:id/rescore', requireRole('operator'), body(rescoreBody), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      const { judge, layer, ...rest } = context.req.valid('json');
      if (judge !== undefined) requireKnownFillings(parts, { judge });
      const request = { ...rest, ...(judge === undefined ? {} : { judge }), ...(layer === undefined ? {} : { layer }) };
      return context.json({ run: await parts.jobs.start({ do: 'rescore', run: run.id, request }) });
    });

export interface RunView {
  readonly outcome: Outcome | undefined;
  /** Measures taken again over a layer leave these out. */
  readonly leftOut: readonly string[];
}

async function describe(parts: ApiParts, run: Run, layer: string | undefined) {
  const [info, stored, layers, children, kept, sets, questions, labels, progress, lease, request] = await Promise.all([
    run.info(),
    readOutcome(run),
    run.layers(),
    run.children(),
    run.kept(),
    run.counts(layer ?? ''),
    run.questions(),
    run.labels(),
    newest(run, 'progress'),
    parts.store.leases.get(`run/${run.id}`),
    run.event('request', 'request'),
  ]);
  const view = await outcomeOf(run, stored, layer);
  return {
    info,
    ...view,
    /** Rates and means that come straight from trials, with their sets: those can be taken again and compared. */
    derived: (stored?.derived ?? []).map(({ kind, set, options }) => ({ kind, set, name: options.name })),
    layers,
    children: children.map(({ id, spec, status, trials }) => ({ id, method: spec.method, status, trials })),
    kept,
    sets,
    openQuestions: questions.length,
    labels: labels.length,
    progress:
      progress === undefined ? undefined : { ...(progress.data as object as ProgressData), atMs: progress.atMs },
    isHere: parts.jobs.isAt(run.id),
    worker: lease === undefined || lease.expiresAtMs < Date.now() ? undefined : lease.owner,
    asked: (request?.data as { readonly asked?: Request } | undefined)?.asked,
  };
}

export interface ProgressData {
  readonly done: number;
  readonly of: number;
  readonly note: string;
  readonly errors: number;
  readonly msLeft?: number;
  readonly moneyLeft?: number;
}

async function outcomeOf(run: Run, stored: StoredOutcome | undefined, layer: string | undefined): Promise<RunView> {
  if (stored === undefined || layer === undefined || layer === '') return { outcome: stored?.outcome, leftOut: [] };
  const { measures, leftOut } = await takeAgain(run, stored, {
    layer,
    maxErrorShare: defaultMaxErrorShare,
    random: random(run.spec.seed),
  });
  return { outcome: { ...stored.outcome, measures }, leftOut };
}

/** The newest event of a kind that comes now and then. */
async function newest(run: Run, kind: string): Promise<StoredEvent | undefined> {
  let last: StoredEvent | undefined;
  for (;;) {
    const page = await run.events({ kinds: [kind], limit: 10_000, ...(last === undefined ? {} : { after: last.seq }) });
    last = page.at(-1) ?? last;
    if (page.length < 10_000) return last;
  }
}

async function describeTrial(parts: ApiParts, run: Run, set: string, item: string) {
  const layers = await run.layers();
  const readings = [];
  for (const layer of ['', ...layers.map(({ name }) => name)]) {
    const trial = await run.trial(set, item, layer);
    if (trial !== undefined) readings.push(trial);
  }
  const [own] = readings;
  if (own === undefined)
    throw statusError(404, 'run.no-trial', `Run ${run.id} has no trial of ${JSON.stringify(item)}`, '');
  const transcript = own.transcript === undefined ? undefined : await transcriptOf(parts, own.transcript);
  const labels = (await run.labels()).filter((label) => label.item === item && (label.set ?? set) === set);
  return {
    readings,
    transcript,
    labels,
    calls: await callsOf(run, `trial/${set}/${item}`, own.seq),
  };
}

/** A transcript whose text was purged is said to be so. */
async function transcriptOf(parts: ApiParts, ref: `sha256:${string}`): Promise<{ value?: Json; purged?: boolean }> {
  const info = await parts.store.artefacts.info(ref);
  if (info?.purgedAtMs !== undefined) return { purged: true };
  return { value: await parts.store.artefacts.getJson(ref) };
}

const furthestBack = 20_000;

/** Calls made in one trial: they were committed shortly before it. */
async function callsOf(run: Run, scope: string, seq: number) {
  const calls = [];
  for (let after = Math.max(0, seq - furthestBack); ;) {
    const page = await run.calls({ after, limit: 5_000 });
    for (const call of page) {
      if (call.seq > seq) return calls;
      if (call.scope === scope || call.scope?.startsWith(`${scope}/`) === true) calls.push(call);
    }
    if (page.length < 5_000) return calls;
    after = page.at(-1)!.seq;
  }
}
