/**
 * `fiducial run ... --workers`: hands the run to the workers of a PostgreSQL store and waits for it. Leaving with Ctrl-C
 * leaves the run with the workers.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { FiducialError } from '../core/errors.ts';
import type { Json } from '../core/values.ts';
import type { AnyMethod } from '../methods/method.ts';
import { readOutcome } from '../workbench/figures.ts';
import type { Filling, OpenOptions } from '../workbench/open-models.ts';
import type { RunOptions, RunResult } from '../workbench/run.ts';
import { sharedOptions, submit } from '../workbench/worker/index.ts';
import type { Session } from './session.ts';

export interface Handing {
  readonly method: AnyMethod;
  readonly params: unknown;
  readonly fillings: Readonly<Record<string, Filling>>;
  readonly isDemo: boolean;
  readonly options: RunOptions & OpenOptions;
  /** The store's address as it was given, with its password where it has one. */
  readonly address: string;
  readonly pricesPath: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Submits, waits, and gives the result as a run in this process would.
 *
 * @throws FiducialError `run.failed`, `run.left` after Ctrl-C, `worker.needs-postgres`
 */
export async function runOnWorkers(session: Session, handing: Handing): Promise<RunResult> {
  const { options, pricesPath, isDemo, address, signal } = handing;
  const { concurrency, maxErrorShare, budget, limits, cache, correction, aliases, seed, replicate } = options;
  const prices = pricesPath === undefined ? undefined : (parse(await readFile(pricesPath, 'utf8')) as Json);
  const shared = sharedOptions.parse(
    JSON.parse(JSON.stringify({ concurrency, maxErrorShare, budget, limits, cache, correction, aliases, prices })),
  );
  const { run: id, wait } = await submit(handing.method, handing.params, handing.fillings, {
    address,
    shared,
    isDemo,
    ...(seed === undefined ? {} : { seed }),
    ...(replicate === undefined ? {} : { replicate }),
  });
  const say = (line: string): void => console.error(line);
  say(`run ${id} is with the workers`);
  const result = await wait({ signal, say }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    throw new FiducialError('run.left', `Run ${id} goes on with the workers`, `fiducial show ${id}`, { cause: error });
  });
  const run = await session.store.run(id);
  const stored = await readOutcome(run);
  if (result.status === 'done' && stored !== undefined) {
    return { status: 'done', run, outcome: stored.outcome, isReplay: false };
  }
  const reason = result.reason ?? '';
  if (result.status === 'waiting' || result.status === 'stopped') return { status: result.status, run, reason };
  throw new FiducialError('run.failed', `Run ${id} failed: ${reason}`, `fiducial resume ${id}`);
}
