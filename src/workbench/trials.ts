/**
 * Trials: one observation an item, concurrently, each stored once.
 *
 * Figures do not depend on order: randomness is split by the item's name, calls are addressed by it, and the set is
 * handed back in the order of the items. An error is kept aside until all items were tried, so that a run that failed
 * tries them again when it is resumed; once the set is complete it is an observation like the others, in its
 * denominator for good.
 */
import { FiducialError, isFiducialError, show } from '../core/errors.ts';
import type { Observation } from '../core/observations.ts';
import type { Random } from '../core/random.ts';
import type { Scope, Seen, TrialItem } from '../methods/method.ts';
import type { PreparedTranscript, Run } from '../store/store.ts';
import { observationOf } from './figures.ts';
import { endsRun, Halt, haltOf } from './halt.ts';
import { inFrame } from './scope.ts';

export interface TrialParts {
  readonly run: Run;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly concurrency: number;
  readonly maxErrorShare: number;
  /** Ends the other trials when one of them ends the run. */
  readonly abort: (reason: Error) => void;
  /** Called with trials done (replayed ones included), errors, and how many there are. */
  readonly onDone: (done: number, errors: number, of: number, replayed: number) => void;
}

/** Makes the observations of a set: here, or by handing its items to other processes. */
export type SetRunner = <I extends TrialItem>(
  parts: TrialParts,
  key: string,
  items: Iterable<I>,
  body: (item: I, scope: Scope) => Promise<Seen>,
) => Promise<Observation[]>;

/**
 * Runs what is not recorded yet.
 *
 * @throws FiducialError `run.too-many-errors` once errors pass `maxErrorShare` of all items; whatever ends the run
 */
export async function runTrials<I extends TrialItem>(
  parts: TrialParts,
  key: string,
  items: Iterable<I>,
  body: (item: I, scope: Scope) => Promise<Seen>,
): Promise<Observation[]> {
  const { run, signal } = parts;
  const list = [...items];
  const ids = idsOf(key, list);
  const found = new Map<string, Observation>();
  for await (const trial of run.eachTrial({ set: key })) found.set(trial.item, observationOf(trial));
  const pending = list.filter((item) => !found.has(idOf(item)));
  const replayed = list.length - pending.length;
  const random = parts.random.split('trials').split(key);
  const errors = new Map<string, string>();
  const mostErrors = Math.floor(parts.maxErrorShare * list.length + 1e-9);
  let waiting: Halt | undefined;
  let fatal: Error | undefined;

  const end = (error: Error): void => {
    fatal ??= error;
    parts.abort(error);
  };

  const failed = async (id: string, error: unknown): Promise<void> => {
    const halt = haltOf(error, signal);
    if (halt?.status === 'waiting') {
      waiting ??= halt;
      return;
    }
    if (halt !== undefined) return end(halt);
    if (signal.aborted) return;
    if (endsRun(error)) return end(asError(error));
    errors.set(id, causeOf(error));
    await run.append({ kind: 'trial.failed', data: { set: key, item: id, why: causeOf(error) } });
    if (errors.size > mostErrors) end(tooManyErrors(key, errors, list.length, parts.maxErrorShare));
  };

  const store = async (observation: Observation, transcripts: readonly PreparedTranscript[]): Promise<void> => {
    const id = observation.item;
    try {
      const stored = await run.recordTrial(key, observation, '', { transcripts, patienceMs: recordPatienceMs });
      found.set(id, observationOf(stored));
    } catch (error) {
      await failed(id, error);
    }
    parts.onDone(found.size + errors.size, errors.size, list.length, replayed);
  };

  // A worker goes on with its next item while the last one's observation is being written.
  const storing = new Set<Promise<void>>();
  const one = async (item: I): Promise<void> => {
    const id = idOf(item);
    const cluster = typeof item === 'string' ? undefined : item.cluster;
    const transcripts: PreparedTranscript[] = [];
    const scope: Scope = {
      random: random.split(id),
      async transcript(record) {
        const prepared = await run.prepareTranscript(record);
        transcripts.push(prepared);
        return prepared.ref;
      },
    };
    try {
      const seen = checkedSeen(key, id, await inFrame(`trial/${key}/${id}`, () => body(item, scope)));
      const stored = store({ item: id, ...(cluster === undefined ? {} : { cluster }), ...seen }, transcripts);
      storing.add(stored);
      void stored.catch((error: unknown) => end(asError(error))).finally(() => storing.delete(stored));
    } catch (error) {
      await failed(id, error);
      parts.onDone(found.size + errors.size, errors.size, list.length, replayed);
    }
    if (storing.size >= 4 * parts.concurrency) await Promise.race(storing);
  };

  parts.onDone(found.size, 0, list.length, replayed);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (!signal.aborted && next < pending.length) await one(pending[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(parts.concurrency, pending.length) }, worker));
  await Promise.all(storing);
  if (fatal !== undefined) throw fatal;
  if (signal.aborted) throw haltOf(undefined, signal) ?? asError(signal.reason);
  if (waiting !== undefined) throw waiting;

  await Promise.all(
    list
      .filter((item) => errors.has(idOf(item)))
      .map(async (item) => {
        const cluster = typeof item === 'string' ? undefined : item.cluster;
        const observation = {
          item: idOf(item),
          ...(cluster === undefined ? {} : { cluster }),
          status: 'error' as const,
          why: errors.get(idOf(item))!,
        };
        found.set(observation.item, observationOf(await run.recordTrial(key, observation)));
      }),
  );
  return ids.map((id) => found.get(id)!);
}

/** Long enough that observations share the transactions of the calls of other trials. */
const recordPatienceMs = 10;

export function idOf(item: TrialItem): string {
  return typeof item === 'string' ? item : item.id;
}

export function idsOf(key: string, items: readonly TrialItem[]): string[] {
  const ids = items.map(idOf);
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id)) {
      throw new FiducialError(
        'method.duplicate-item',
        `The trials ${show(key)} have the item ${show(id)} twice`,
        'Give each its own id; what belongs together shares a cluster.',
      );
    }
    seen.add(id);
  }
  return ids;
}

export function checkedSeen(key: string, id: string, seen: Seen): Seen {
  if (seen.status === 'measured' && Number.isFinite(seen.value)) return seen;
  if (seen.status === 'undetermined' && seen.why !== '') return seen;
  throw new FiducialError(
    'method.bad-observation',
    `The trial of ${show(id)} in ${show(key)} gave ${show(seen)}`,
    'Return a finite value with the status measured, or undetermined and why; throw what is an error.',
  );
}

export function causeOf(error: unknown): string {
  const text = isFiducialError(error) ? `${error.code}: ${error.message}` : String(error);
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

export function tooManyErrors(
  key: string,
  errors: ReadonlyMap<string, string>,
  of: number,
  share: number,
): FiducialError {
  const counts = new Map<string, number>();
  for (const why of errors.values()) counts.set(why, (counts.get(why) ?? 0) + 1);
  const [common] = [...counts].sort((a, b) => b[1] - a[1]);
  return new FiducialError(
    'run.too-many-errors',
    `${errors.size} of ${of} trials of ${show(key)} failed, more than ${100 * share} %. Most often: ${common?.[0] ?? ''}`,
    'Mend the cause and resume: finished trials are kept, failed ones are tried again. --max-error-share allows more.',
  );
}
