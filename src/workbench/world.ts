/**
 * What a run and its children share: the store, one budget, one limiter an endpoint, one redactor, one signal.
 *
 * Roles are filled here: each model is checked against what the method needs and gets its layers (`decorate`), recording
 * into the log of the run at hand.
 */
import { FiducialError, show } from '../core/errors.ts';
import type { Json } from '../core/values.ts';
import type { AnyMethod, Dataset, Labeller, Need } from '../methods/method.ts';
import { type Budget, type BudgetOptions, createBudget } from '../models/budget.ts';
import { requireCapabilities } from '../models/capabilities.ts';
import { decorate } from '../models/decorate.ts';
import { createLimiter, type Limiter, type LimiterOptions } from '../models/limit.ts';
import { memoryLedger } from '../models/memory.ts';
import type { Model } from '../models/model.ts';
import type { CallLog, Ledger, RateCounter, Spending } from '../models/ports.ts';
import type { PriceBook } from '../models/prices.ts';
import { createRedactor, type Redactor } from '../models/redact.ts';
import type { RetryOptions } from '../models/retry.ts';
import type { TimeoutOptions } from '../models/timeouts.ts';
import { maskErrors } from '../models/decorate.ts';
import { record } from '../models/record.ts';
import type { Run, Store } from '../store/store.ts';
import type { Correction } from './figures.ts';
import { addSpending, storeCache } from './ports.ts';
import type { Progress } from './progress.ts';
import { type Frame, scoped } from './scope.ts';
import type { SetRunner } from './trials.ts';

export interface RunOptions {
  readonly store: Store;
  /** @default 1 */
  readonly seed?: number | string;
  /** Another sample of the same specification: 1, 2, ... */
  readonly replicate?: number;
  /** Cancels: what is under way is left, what is finished is kept. */
  readonly signal?: AbortSignal;
  /** Trials at once. @default 32 */
  readonly concurrency?: number;
  /** The share of errors past which the run fails. @default 0.1 */
  readonly maxErrorShare?: number;
  /** Over the run and its children, and over resumes. */
  readonly budget?: Pick<BudgetOptions, 'money' | 'tokens' | 'calls' | 'replyTokens'>;
  readonly prices?: PriceBook;
  /** For each endpoint by itself. `maxConcurrency` is the run's concurrency unless told. */
  readonly limits?: Omit<LimiterOptions, 'name' | 'counter' | 'now'>;
  readonly retry?: RetryOptions | false;
  readonly timeouts?: TimeoutOptions | false;
  /** Whether replies are taken from the store's cache. @default 'off' */
  readonly cache?: 'off' | 'deterministic' | 'always';
  readonly redactor?: Redactor;
  /** A judge's measured errors, by which its rates are corrected. */
  readonly correction?: Correction;
  readonly onProgress?: (progress: Progress) => void;
  /** Told of the run as soon as it has its id, before anything is done in it. */
  readonly onOpen?: (run: Run) => void;
  /** How the roles were named (addresses, files), kept with the run so that it can be resumed by its id. */
  readonly request?: Json;
  /** Shared over processes, where several work on one run. */
  readonly counter?: RateCounter;
  readonly ledger?: Ledger;
  readonly isShared?: boolean;
  /** Makes the trials of the run's own sets. @default here, in this process */
  readonly runSet?: SetRunner;
}

export interface World {
  readonly store: Store;
  readonly options: RunOptions;
  readonly redactor: Redactor;
  readonly ledger: Ledger;
  readonly budget: Budget | undefined;
  readonly signal: AbortSignal;
  readonly abort: (reason: Error) => void;
  /** Puts a child run under the lease of the whole. */
  readonly fence: (child: Run) => Run;
  readonly limiters: Map<string, Limiter>;
  /** The model that a role was filled with, by the layered one that the method holds. */
  readonly rawOf: WeakMap<Model, Model>;
  /** What is spent, as last read. */
  readonly spent: () => Spending;
  /** Told what each recorded call cost. */
  readonly hear: (cost: Spending) => void;
}

export function openWorld(
  options: RunOptions,
  control: AbortController,
  spentBefore: Spending,
  fence: (child: Run) => Run,
): World {
  const ledger = options.ledger ?? memoryLedger(spentBefore);
  const { budget, prices } = options;
  const hasLimit = budget?.money !== undefined || budget?.tokens !== undefined || budget?.calls !== undefined;
  const isCounted = hasLimit || options.ledger !== undefined;
  let spent = spentBefore;
  // Reads are synchronous for a ledger in memory, and as of the last settlement for one elsewhere.
  const watched: Ledger = {
    reserve: (worst, limit) => ledger.reserve(worst, limit),
    async settle(reserved, actual) {
      await ledger.settle(reserved, actual);
      spent = (await ledger.read()).spent;
    },
    read: () => ledger.read(),
  };
  return {
    store: options.store,
    options,
    redactor: options.redactor ?? createRedactor(),
    ledger: watched,
    budget: isCounted
      ? createBudget({ ...(hasLimit ? budget : {}), ledger: watched, ...(prices === undefined ? {} : { prices }) })
      : undefined,
    signal: control.signal,
    abort: (reason) => control.abort(reason),
    fence,
    limiters: new Map(),
    rawOf: new WeakMap(),
    spent: () => spent,
    // The ledger hears of each try; without one the log tells what its calls cost.
    hear: (cost) => {
      if (!isCounted) spent = addSpending(spent, cost);
    },
  };
}

/** The raw model behind one that a method holds; itself where it has no layers of ours. */
export function rawModel(world: World, model: Model): Model {
  return world.rawOf.get(model) ?? model;
}

/** The same roles with every model as it was before a run put layers around it. */
export function rawGiven(
  world: Pick<World, 'rawOf'>,
  method: AnyMethod,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const raw: Record<string, unknown> = {};
  const one = (model: Model): Model => world.rawOf.get(model) ?? model;
  for (const [role, need] of Object.entries(method.needs)) {
    const filled = given[role];
    if (filled === undefined) continue;
    if (need.kind === 'model') raw[role] = one(filled as Model);
    else if (need.kind === 'models') raw[role] = (filled as readonly Model[]).map(one);
    else raw[role] = filled;
  }
  return raw;
}

/**
 * Checks that every role is filled, and with what it asks for, before anything is sent.
 *
 * @throws FiducialError `run.missing-role`, `run.unknown-role`, `model.no-access`, `model.unsupported`, `data.bad-row`
 */
export function checkGiven(method: AnyMethod, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const checked: Record<string, unknown> = {};
  for (const role of Object.keys(given)) {
    if (given[role] !== undefined && !Object.hasOwn(method.needs, role)) {
      throw new FiducialError(
        'run.unknown-role',
        `${method.id} has no role ${show(role)}`,
        `Its roles are ${Object.keys(method.needs).join(', ')}.`,
      );
    }
  }
  for (const [role, need] of Object.entries(method.needs)) {
    const filled = given[role];
    if (filled === undefined) {
      if (need.isOptional || need.kind === 'labeller') continue;
      throw new FiducialError(
        'run.missing-role',
        `${method.id} needs ${show(role)}: ${need.title}`,
        need.kind === 'data'
          ? `Name a file: --${role} rows.jsonl.`
          : `Name a model: --${role} openai:… (or see fiducial methods ${method.id}).`,
      );
    }
    if (need.kind === 'model') checkModel(role, need, filled as Model);
    else if (need.kind === 'models') for (const each of filled as readonly Model[]) checkModel(role, need, each);
    checked[role] = need.kind === 'data' ? checkRows(role, need, filled as Dataset) : filled;
  }
  return checked;
}

function checkModel(role: string, need: Extract<Need, { access: string }>, model: Model): void {
  const hasLogprobs = 'logprobs' in model && typeof model.logprobs === 'function';
  const hasWeights = hasLogprobs && 'network' in model;
  const isEnough = need.access === 'chat' || (need.access === 'logprobs' ? hasLogprobs : hasWeights);
  if (!isEnough) {
    throw new FiducialError(
      'model.no-access',
      `The role ${role} needs ${need.access} of its model, and ${model.id} offers ${hasLogprobs ? 'logprobs' : 'chat'}`,
      need.access === 'weights'
        ? 'Open a model with its weights: a checkpoint folder or a lab model.'
        : 'Choose a model that scores given text: one with its weights opened here.',
    );
  }
  requireCapabilities(model, need.capabilities ?? []);
}

function checkRows(role: string, need: Extract<Need, { kind: 'data' }>, set: Dataset): Dataset {
  const rows = set.rows.map((row, index) => {
    const parsed = need.row.safeParse(row);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new FiducialError(
      'data.bad-row',
      `${set.name}, row ${index + 1}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'does not fit'} (role ${role})`,
      `A row holds ${need.title}.`,
    );
  });
  return { ...set, rows };
}

/** The roles as the method holds them: models with their layers, people as a labeller. */
export function fillRoles(
  world: World,
  method: AnyMethod,
  given: Readonly<Record<string, unknown>>,
  log: CallLog,
  root: Frame | undefined,
  people: Labeller,
): Record<string, unknown> {
  const filled: Record<string, unknown> = {};
  const one = (model: Model): Model => layered(world, model, log, root);
  for (const [role, need] of Object.entries(method.needs)) {
    if (need.kind === 'labeller') filled[role] = people;
    else if (given[role] === undefined) filled[role] = undefined;
    else if (need.kind === 'model') filled[role] = one(given[role] as Model);
    else if (need.kind === 'models') filled[role] = (given[role] as readonly Model[]).map(one);
    else filled[role] = given[role];
  }
  return filled;
}

function layered(world: World, model: Model, log: CallLog, root: Frame | undefined): Model {
  const { options, redactor, budget } = world;
  const raw = rawModel(world, model);
  // A guard that a method put around a layered model: its calls are paid and limited inside; here they are recorded.
  if (raw === model && hasLayers.has(raw)) {
    const within = (scope: string): Model => maskErrors(record(raw, { log, redactor, scope }), redactor);
    return marked(scoped({ model: within(''), within }, root));
  }
  const decorated = decorate(raw, {
    log,
    redactor,
    ...(budget === undefined ? {} : { budget }),
    ...(options.prices === undefined ? {} : { prices: options.prices }),
    ...(options.retry === undefined ? {} : { retry: options.retry }),
    ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
    ...(raw.endpoint?.kind === 'http' ? { limiter: limiterOf(world, raw.endpoint.address) } : {}),
    ...(options.cache === undefined || options.cache === 'off'
      ? {}
      : { cache: { cache: storeCache(world.store), when: options.cache } }),
  });
  const own = marked(scoped(decorated, root));
  world.rawOf.set(own, raw);
  return own;
}

/** Layered models and, through the proxies of guards, what stands around them. */
const hasLayers = {
  has: (model: Model): boolean => 'isLayered' in model,
};

function marked(model: Model): Model {
  return new Proxy(model, {
    get: (target, property) => (property === 'isLayered' ? true : Reflect.get(target, property, target)),
    has: (target, property) => property === 'isLayered' || property in target,
  });
}

function limiterOf(world: World, address: string): Limiter {
  let limiter = world.limiters.get(address);
  if (limiter === undefined) {
    const { options } = world;
    limiter = createLimiter({
      name: address,
      maxConcurrency: options.concurrency ?? defaultConcurrency,
      ...options.limits,
      ...(options.counter === undefined ? {} : { counter: options.counter }),
    });
    world.limiters.set(address, limiter);
  }
  return limiter;
}

export const defaultConcurrency = 32;
export const defaultMaxErrorShare = 0.1;
