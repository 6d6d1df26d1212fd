/**
 * Leading a run: one worker runs the method from its beginning to its outcome, and hands the trials of its sets out.
 *
 * The leader computes steps, loops and figures; of a set it only submits what is not recorded, in units with fixed places
 * in the set, and waits at the run's log until every item is recorded or has failed. A leader that takes over names the
 * same units, finds those still under way, and submits again only what ended without an observation. Errors are kept
 * aside until the whole set was tried, as in one process.
 */
import { FiducialError, isFiducialError, show } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Observation } from '../../core/observations.ts';
import type { Json } from '../../core/values.ts';
import type { Run, Store } from '../../store/store.ts';
import { observationOf } from '../figures.ts';
import { Halt, haltOf } from '../halt.ts';
import { resumeRun } from '../resume.ts';
import type { RunResult } from '../run.ts';
import { asError, idOf, idsOf, type SetRunner, tooManyErrors, type TrialParts } from '../trials.ts';
import type { RunOptions } from '../world.ts';
import type { Jobs, JobStatus } from './jobs.ts';
import {
  readUnitId,
  type RunJob,
  runOptionsOf,
  type SharedOptions,
  type TrialsJob,
  trialsQueueOf,
  unitId,
  unitPrefix,
  unitsAtOnce,
  unitSizeOf,
} from './units.ts';

export interface LeadParts {
  readonly store: Store;
  readonly jobs: Jobs;
  /** Aborts when this worker leaves: the run is not over then. */
  readonly leaving: AbortSignal;
  readonly shared: Pick<RunOptions, 'counter' | 'ledger'>;
  /** Trials at once in this worker; the others are taken to be like it. */
  readonly concurrency: number;
}

/** What a leader hands back: as `RunResult`, in JSON; a run that failed is a result here. */
export interface LeadResult {
  readonly status: RunResult['status'] | 'failed';
  readonly reason?: string;
}

/** How a unit says that the whole run should end; an event of this kind is written once a cause. */
export interface TrialHalt {
  readonly set: string;
  readonly status: 'stopped' | 'waiting' | 'failed';
  readonly code?: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** Leads a run to its outcome, waiting while an earlier leader's right to it has not lapsed. */
export async function lead({ run: id, options }: RunJob, parts: LeadParts): Promise<LeadResult> {
  const run = await parts.store.run(id);
  for (;;) {
    parts.leaving.throwIfAborted();
    try {
      const result = await resumeRun(run, {
        ...runOptionsOf(options),
        ...parts.shared,
        store: parts.store,
        signal: parts.leaving,
        isShared: true,
        runSet: handOut(run, options, parts),
      });
      // What stopped it is that this worker leaves: it is not the run's end.
      if (result.status !== 'done') parts.leaving.throwIfAborted();
      return result.status === 'done' ? { status: 'done' } : { status: result.status, reason: result.reason };
    } catch (error) {
      if (isFiducialError(error, 'run.busy')) {
        await pause(1_000, parts.leaving);
        continue;
      }
      // Taken over, or leaving: somebody else leads it.
      if (isFiducialError(error, 'store.fenced') || parts.leaving.aborted) throw error;
      return { status: 'failed', reason: error instanceof FiducialError ? error.toText() : String(error) };
    }
  }
}

/** Submits what is missing of a set and waits for it. */
function handOut(root: Run, options: SharedOptions, parts: LeadParts): SetRunner {
  const queue = trialsQueueOf(root.spec);
  return async (trial, key, items) => {
    const list = [...items];
    const ids = idsOf(key, list);
    const set = new HandedOut(trial, key, ids);
    // The tail begins before what is there is read, so that nothing falls between the two.
    const after = await parts.store.head();
    await set.readRecorded();
    set.report();
    if (set.missing().length > 0) {
      const size = unitSizeOf(ids.length);
      await parts.jobs.openQueue(queue, unitsAtOnce(parts.concurrency, size));
      const hand = new Units(parts.jobs, { root: root.id, run: trial.run.id, set: key, options }, queue, ids, size);
      try {
        await watch(set, hand, after, parts);
      } catch (error) {
        // Nobody need go on with a set that has ended; a leader that only leaves, or was taken over, ends nothing.
        if (!parts.leaving.aborted && !isFiducialError(error, 'store.fenced')) await hand.cancel();
        throw error;
      }
    }
    await set.recordErrors(
      new Map(list.map((item) => [idOf(item), typeof item === 'string' ? undefined : item.cluster])),
    );
    return set.inOrder();
  };
}

async function watch(set: HandedOut, hand: Units, after: number, parts: LeadParts): Promise<void> {
  const control = new AbortController();
  const stop = (): void => control.abort();
  set.parts.signal.addEventListener('abort', stop, { once: true });
  let auditing: Promise<void> = Promise.resolve();
  let fault: unknown;
  const audit = (): void => {
    auditing = auditing
      .then(() => hand.submit(set.missing()))
      .catch((error: unknown) => {
        fault ??= error;
        stop();
      });
  };
  audit();
  const timer = setInterval(audit, auditMs);
  try {
    const query = { run: set.parts.run.id, after, kinds: ['trial', 'trial.failed', 'trial.halted'] };
    for await (const event of parts.store.follow({ ...query, signal: control.signal })) {
      set.take(event.kind, event.data);
      if (set.missing().length === 0) break;
    }
  } finally {
    clearInterval(timer);
    set.parts.signal.removeEventListener('abort', stop);
    await auditing;
  }
  if (fault !== undefined) throw asError(fault);
  if (set.parts.signal.aborted) {
    throw haltOf(undefined, set.parts.signal) ?? asError(set.parts.signal.reason);
  }
}

/** A set while others make it: what is recorded, what failed. */
class HandedOut {
  readonly parts: TrialParts;
  readonly #key: string;
  readonly #ids: readonly string[];
  readonly #known: ReadonlySet<string>;
  readonly #found = new Map<string, Observation>();
  readonly #errors = new Map<string, string>();
  #replayed = 0;

  constructor(parts: TrialParts, key: string, ids: readonly string[]) {
    this.parts = parts;
    this.#key = key;
    this.#ids = ids;
    this.#known = new Set(ids);
  }

  async readRecorded(): Promise<void> {
    for await (const trial of this.parts.run.eachTrial({ set: this.#key })) {
      if (this.#known.has(trial.item)) this.#found.set(trial.item, observationOf(trial));
    }
    this.#replayed = this.#found.size;
  }

  missing(): string[] {
    return this.#ids.filter((id) => !this.#found.has(id) && !this.#errors.has(id));
  }

  take(kind: string, data: Json): void {
    if (kind === 'trial.halted') {
      const halt = data as unknown as TrialHalt;
      if (halt.set === this.#key) throw this.#ended(halt);
      return;
    }
    const { set, layer, item, why, ...rest } = data as unknown as {
      readonly set: string;
      readonly layer?: string;
      readonly item: string;
      readonly why?: string;
    };
    if (set !== this.#key || (layer ?? '') !== '' || !this.#known.has(item)) return;
    if (kind === 'trial') {
      this.#found.set(item, { ...rest, item, ...(why === undefined ? {} : { why }) } as Observation);
      this.#errors.delete(item);
    } else if (!this.#found.has(item)) this.#errors.set(item, why ?? '');
    this.report();
    const { maxErrorShare } = this.parts;
    if (this.#errors.size > Math.floor(maxErrorShare * this.#ids.length + 1e-9)) {
      throw tooManyErrors(this.#key, this.#errors, this.#ids.length, maxErrorShare);
    }
  }

  #ended({ status, message, code, hint }: TrialHalt): Error {
    return status === 'failed'
      ? new FiducialError(code ?? 'worker.trial-failed', message, hint ?? '')
      : new Halt(status, message);
  }

  report(): void {
    const { size } = this.#errors;
    this.parts.onDone(this.#found.size + size, size, this.#ids.length, this.#replayed);
  }

  async recordErrors(clusters: ReadonlyMap<string, string | undefined>): Promise<void> {
    await Promise.all(
      [...this.#errors].map(async ([item, why]) => {
        const cluster = clusters.get(item);
        const observation = { item, ...(cluster === undefined ? {} : { cluster }), status: 'error' as const, why };
        this.#found.set(item, observationOf(await this.parts.run.recordTrial(this.#key, observation)));
      }),
    );
  }

  inOrder(): Observation[] {
    return this.#ids.map((id) => this.#found.get(id)!);
  }
}

/** The units of a set: fixed groups of its items, each submitted once an attempt. */
class Units {
  readonly #jobs: Jobs;
  readonly #base: Omit<TrialsJob, 'items'>;
  readonly #queue: string;
  readonly #groups: readonly (readonly string[])[];
  /** Units that had ended when we last looked; undefined before the first look. */
  #ended: ReadonlySet<string> | undefined;

  constructor(jobs: Jobs, base: Omit<TrialsJob, 'items'>, queue: string, ids: readonly string[], size: number) {
    this.#jobs = jobs;
    this.#base = base;
    this.#queue = queue;
    this.#groups = Array.from({ length: Math.ceil(ids.length / size) }, (_, i) => ids.slice(i * size, (i + 1) * size));
  }

  /** Sees to it that every missing item is in a unit that waits or is under way. */
  async submit(missing: readonly string[]): Promise<void> {
    const wanted = new Set(missing);
    const { run, set } = this.#base;
    const newest = new Map<number, JobStatus & { readonly attempt: number }>();
    for (const job of await this.#jobs.list(unitPrefix(run, set))) {
      const { index, attempt } = readUnitId(job.id);
      if ((newest.get(index)?.attempt ?? -1) <= attempt) newest.set(index, { ...job, attempt });
    }
    const before = this.#ended;
    this.#ended = new Set([...newest.values()].filter((job) => !isLive(job)).map(({ id }) => id));
    const pending = this.#groups.flatMap((group, index) => {
      if (!group.some((item) => wanted.has(item))) return [];
      const last = newest.get(index);
      // What a unit wrote may reach us after its end does: only one that had ended a look ago has left something out.
      if (last !== undefined && (isLive(last) || before?.has(last.id) === false)) return [];
      return [{ group, index, attempt: (last?.attempt ?? -1) + 1, reason: last?.reason }];
    });
    let next = 0;
    const one = async (): Promise<void> => {
      while (next < pending.length) {
        const { group, index, attempt, reason } = pending[next++]!;
        if (reason !== undefined && attempt >= mostAttempts) throw lostUnit(set, group, attempt, reason);
        const id = unitId(run, set, index, attempt);
        const input = { ...this.#base, items: group.filter((item) => wanted.has(item)) };
        await this.#jobs.submit({ id, kind: 'trials', queue: this.#queue, input: input as unknown as Json });
      }
    };
    await Promise.all(Array.from({ length: 4 }, one));
  }

  async cancel(): Promise<void> {
    const { run, set } = this.#base;
    const live = (await this.#jobs.list(unitPrefix(run, set))).filter(isLive);
    await this.#jobs.cancel(live.map(({ id }) => id));
  }
}

function isLive({ status }: JobStatus): boolean {
  return status === 'waiting' || status === 'taken';
}

function lostUnit(set: string, items: readonly string[], attempts: number, reason: string): FiducialError {
  return new FiducialError(
    'worker.unit-failed',
    `A unit of ${show(set)} (${items.length} items from ${show(items[0])}) failed ${attempts} times: ${reason}`,
    'Look at what the workers print; when it is mended, fiducial resume goes on with the run.',
  );
}

function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, durationMs);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** How often units are compared with what is missing. */
const auditMs = 2_000;
const mostAttempts = 5;
