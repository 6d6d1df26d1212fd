/**
 * Runs a method: opens the run that this specification names, or goes on with it, to its outcome.
 *
 * A finished run gives its stored outcome and asks nothing. An unfinished one replays what is recorded and does the
 * rest, so that a run that was killed ends with the figures it would have had. Faults are thrown, after the run was
 * marked as failed; being cancelled, out of budget or waiting for people are results.
 */
import { FiducialError, isFiducialError, nearestWord } from '../core/errors.ts';
import type { Outcome } from '../core/measures.ts';
import { random } from '../core/random.ts';
import type { Ref } from '../core/values.ts';
import type { AnyMethod, Dataset, Given, Method, Needs } from '../methods/method.ts';
import type { Run } from '../store/store.ts';
import { openContext } from './context.ts';
import { readOutcome, storeOutcome } from './figures.ts';
import { Halt, haltOf } from './halt.ts';
import { specOf } from './identity.ts';
import { hold } from './lease.ts';
import { addSpending, noSpending, openCallLog, spentByChildren } from './ports.ts';
import { checkGiven, openWorld, rawGiven, type RunOptions, type World } from './world.ts';

export type { RunOptions } from './world.ts';

export type RunResult =
  | {
      readonly status: 'done';
      readonly run: Run;
      readonly outcome: Outcome;
      /** Nothing was done: the run had ended before. */
      readonly isReplay: boolean;
    }
  | { readonly status: 'waiting' | 'stopped'; readonly run: Run; readonly reason: string };

/**
 * Runs a method to its outcome, or as far as it goes.
 *
 * @throws FiducialError what made the run fail; `run.busy` while another process is at it; `run.bad-params`,
 * `run.missing-role`, `model.no-access` before anything is sent
 * @example
 * const result = await runMethod(bestOfN, { attempts: 10 }, { target, requests }, { store, seed: 7 });
 * if (result.status === 'done') for (const measure of result.outcome.measures) console.log(describeMeasure(measure));
 */
export async function runMethod<P, N extends Needs>(
  method: Method<P, N>,
  params: Partial<P>,
  given: Given<N>,
  options: RunOptions,
): Promise<RunResult> {
  const whole = parseParams(method, params);
  const checked = checkGiven(method, given);
  const spec = specOf(method, whole, checked, { seed: options.seed ?? 1, replicate: options.replicate });
  const { run, created } = await options.store.open(spec);
  if (created) await describeRequest(run, method, checked, options);
  options.onOpen?.(run);
  const control = new AbortController();
  return await underSignal(options.signal, control, async () => {
    const past = await readOutcome(run);
    if (past !== undefined && (await run.info()).status === 'done') {
      return { status: 'done', run, outcome: past.outcome, isReplay: true };
    }
    const held = await hold(options.store, run, (error) =>
      control.abort(error instanceof Error ? error : new Error(String(error))),
    );
    try {
      const log = await openCallLog(held.run, options.isShared);
      const spent = addSpending(log.spent, created ? noSpending : await spentByChildren(options.store, run));
      const world = openWorld(options, control, spent, held.fence);
      // The caller gets the run without the lease, which ends here.
      return { ...(await execute(world, held.run, method, whole, checked, log)), run };
    } finally {
      await held.release();
    }
  });
}

/** One run, opened and held: its status, its outcome. */
async function execute(
  world: World,
  run: Run,
  method: AnyMethod,
  params: unknown,
  given: Readonly<Record<string, unknown>>,
  log: Awaited<ReturnType<typeof openCallLog>>,
): Promise<RunResult> {
  await run.setStatus('running');
  let settle = (): Promise<void> => Promise.resolve();
  try {
    const { context, derived, settled } = openContext({
      world,
      run,
      method,
      given,
      log,
      random: random(run.spec.seed).split(`replicate ${run.spec.replicate ?? 0}`),
      runChild: (child, childParams, childGiven, seed, key) =>
        executeChild(world, run, child, childParams, childGiven, seed, key),
    });
    settle = settled;
    const outcome = await method.run(context, params);
    await settled();
    const stored = await storeOutcome(run, { outcome, derived });
    await run.setStatus('done');
    return { status: 'done', run, outcome: stored.outcome, isReplay: false };
  } catch (error) {
    await settle().catch(() => {
      // The fault that is being reported came first; what was written aside adds nothing to it.
    });
    // A run that somebody else has taken over is theirs: this process may write nothing more about it.
    if (isFiducialError(error, 'store.fenced')) throw error;
    const halt = haltOf(error, world.signal);
    if (halt !== undefined) {
      await run.setStatus(halt.status, halt.message);
      return { status: halt.status, run, reason: halt.message };
    }
    const cause = world.signal.aborted && world.signal.reason instanceof FiducialError ? world.signal.reason : error;
    const masked = world.redactor.error(cause);
    await run.setStatus('failed', masked.message);
    throw masked;
  }
}

/** A child run, made in this process. */
export async function executeChild(
  world: World,
  parent: Run,
  method: AnyMethod,
  params: unknown,
  given: Readonly<Record<string, unknown>>,
  seed: string,
  key: string,
): Promise<Outcome> {
  const whole = parseParams(method, params);
  const raw = checkGiven(method, rawGiven(world, method, given));
  const spec = specOf(method, whole, raw, { seed, parent: { run: parent.id, key } });
  const { run: opened } = await world.store.open(spec);
  const run = world.fence(opened);
  const past = await readOutcome(run);
  if (past !== undefined && (await run.info()).status === 'done') return past.outcome;
  const log = await openCallLog(run, world.options.isShared);
  const result = await execute(world, run, method, whole, raw, log);
  if (result.status === 'done') return result.outcome;
  throw new Halt(result.status, result.reason);
}

/**
 * Parameters, checked and with their defaults.
 *
 * @throws FiducialError `run.bad-params`, with the nearest correct word for one that does not exist
 */
export function parseParams(method: AnyMethod, params: unknown): unknown {
  const parsed = method.params.safeParse(params);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const known = 'shape' in method.params ? Object.keys(method.params.shape as object) : [];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const meant = unknown === undefined ? undefined : nearestWord(unknown, known);
  throw new FiducialError(
    'run.bad-params',
    unknown === undefined
      ? `${method.id}: ${issue?.path.join('.') ?? 'parameters'}: ${issue?.message ?? 'not valid'}`
      : `${method.id} has no parameter ${JSON.stringify(unknown)}`,
    meant === undefined ? `Its parameters are ${known.join(', ')}.` : `Did you mean ${meant}?`,
  );
}

/** Keeps how the run was asked for, and its data, so that it can be resumed by its id alone. */
async function describeRequest(
  run: Run,
  method: AnyMethod,
  given: Readonly<Record<string, unknown>>,
  options: RunOptions,
): Promise<void> {
  if (options.request === undefined) return;
  const data: Record<string, Ref> = {};
  for (const [role, need] of Object.entries(method.needs)) {
    if (need.kind !== 'data' || given[role] === undefined) continue;
    const { rows } = given[role] as Dataset;
    const bytes = new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    data[role] = await run.keep(`given/${role}.jsonl`, bytes, 'application/jsonl');
  }
  await run.append({ kind: 'request', key: 'request', data: { asked: options.request, data } });
}

/** Runs `body` with the caller's signal tied to ours. */
async function underSignal<T>(
  outer: AbortSignal | undefined,
  control: AbortController,
  body: () => Promise<T>,
): Promise<T> {
  if (outer === undefined) return await body();
  const cancel = (): void => control.abort(new Halt('stopped', reasonOf(outer.reason)));
  if (outer.aborted) cancel();
  outer.addEventListener('abort', cancel, { once: true });
  try {
    return await body();
  } finally {
    outer.removeEventListener('abort', cancel);
  }
}

function reasonOf(reason: unknown): string {
  return reason instanceof Error && reason.name !== 'AbortError' ? reason.message : 'cancelled';
}
