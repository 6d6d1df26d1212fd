/**
 * Submitting a run to the workers of a store, and following it to its end. The submitter may go away at any time.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Json, Ref } from '../../core/values.ts';
import type { AnyMethod, Dataset } from '../../methods/method.ts';
import { createRedactor } from '../../models/redact.ts';
import { openStore, type Run, type Store } from '../../store/index.ts';
import { specOf } from '../identity.ts';
import { type Filling, openGiven } from '../open-models.ts';
import type { Request } from '../resume.ts';
import { parseParams } from '../run.ts';
import { checkGiven } from '../world.ts';
import { type Jobs, openJobs } from './jobs.ts';
import type { LeadResult } from './lead.ts';
import { workersAt } from './membership.ts';
import { placeOf } from './place.ts';
import { runJobId, runJobPrefix, runsAtOnce, runsQueue, sharedOptions, type SharedOptions } from './units.ts';
import { workVersion } from './version.ts';

export interface SubmitOptions {
  /** `postgres://user@host/database`. */
  readonly address: string;
  readonly seed?: number | string;
  readonly replicate?: number;
  readonly shared?: SharedOptions;
  /** The method's demonstration takes the place of `fillings`; each worker makes its models anew. */
  readonly isDemo?: boolean;
}

export interface Submitted {
  readonly run: string;
  /**
   * Until a worker has led it to its end.
   *
   * @param say hears, once, that there is no worker that could
   * @throws FiducialError `worker.run-lost`
   */
  readonly wait: (options?: {
    readonly signal?: AbortSignal;
    readonly say?: (line: string) => void;
  }) => Promise<LeadResult>;
}

/**
 * Hands a run to the workers. A run that is with them already is not handed twice.
 *
 * @param fillings addresses of models and files of rows by role; every worker must reach the models by these addresses.
 * Rows are kept with the run, so their files need not be anywhere else
 * @throws FiducialError `worker.needs-postgres`, and what is wrong with the method's parameters and roles
 * @example const { wait } = await submit(bestOfN, { attempts: 10 }, { target: 'openai:…', requests: 'rows.jsonl' }, { address });
 */
export async function submit(
  method: AnyMethod,
  params: unknown,
  fillings: Readonly<Record<string, Filling>>,
  options: SubmitOptions,
): Promise<Submitted> {
  const { address } = options;
  const place = placeOf(address);
  const shared = sharedOptions.parse(options.shared ?? {});
  const whole = parseParams(method, params);
  const { isDemo = false } = options;
  const aliases = shared.aliases === undefined ? {} : { aliases: shared.aliases };
  const given = checkGiven(method, isDemo ? await method.demo.given() : await openGiven(method, fillings, aliases));
  const redactor = createRedactor();
  const store = await openStore({ address, redact: (text) => redactor.text(text) });
  try {
    const spec = specOf(method, whole, given, { seed: options.seed ?? 1, replicate: options.replicate });
    const { run } = await store.open(spec);
    await keepRequest(run, method, given, isDemo ? { isDemo } : { fillings });
    const jobs = await openJobs({ place, version: workVersion() });
    try {
      await handOver(jobs, run, shared);
    } finally {
      await jobs.close();
    }
    return { run: run.id, wait: (waiting = {}) => waitFor(address, run.id, waiting) };
  } finally {
    await store.close();
  }
}

/** Goes on with a run of the store on its workers: as `fiducial resume`, elsewhere. */
export async function submitAgain(store: Store, jobs: Jobs, id: string, shared: SharedOptions): Promise<void> {
  await handOver(jobs, await store.run(id), shared);
}

async function handOver(jobs: Jobs, run: Run, options: SharedOptions): Promise<void> {
  await jobs.openQueue(runsQueue, runsAtOnce);
  const before = await jobs.list(runJobPrefix(run.id));
  if (before.some(({ status }) => status === 'waiting' || status === 'taken')) return;
  const input = { run: run.id, options } as unknown as Json;
  await jobs.submit({ id: runJobId(run.id, before.length), kind: 'run', queue: runsQueue, input });
}

/** The same event that a run in one process keeps, so that either can go on with the other's. */
async function keepRequest(
  run: Run,
  method: AnyMethod,
  given: Readonly<Record<string, unknown>>,
  asked: Request,
): Promise<void> {
  if ((await run.event('request', 'request')) !== undefined) return;
  const data: Record<string, Ref> = {};
  for (const [role, need] of Object.entries(method.needs)) {
    if (need.kind !== 'data' || given[role] === undefined) continue;
    const { rows } = given[role] as Dataset;
    const bytes = new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    data[role] = await run.keep(`given/${role}.jsonl`, bytes, 'application/jsonl');
  }
  await run.append({ kind: 'request', key: 'request', data: { asked: asked as unknown as Json, data } });
}

async function waitFor(
  address: string,
  run: string,
  { signal, say }: { readonly signal?: AbortSignal; readonly say?: (line: string) => void },
): Promise<LeadResult> {
  const version = workVersion();
  const store = await openStore({ address });
  const jobs = await openJobs({ place: placeOf(address), version });
  let hasSaid = false;
  try {
    for (let turn = 0; ; turn++) {
      signal?.throwIfAborted();
      const newest = (await jobs.list(runJobPrefix(run))).at(-1);
      if (newest?.status === 'done') return newest.output as unknown as LeadResult;
      if (newest === undefined || newest.status === 'failed' || newest.status === 'cancelled') {
        throw new FiducialError(
          'worker.run-lost',
          `The workers have given run ${run} up: ${newest?.reason ?? 'it is not in their queue'}`,
          'Submit it again; what is recorded is kept.',
        );
      }
      if (!hasSaid && newest.status === 'waiting' && turn % 20 === 5) {
        const others = await workersAt(store);
        if (!others.some((worker) => worker.version === version)) {
          hasSaid = true;
          say?.(nobody(version, others, store.address));
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  } finally {
    await jobs.close();
    await store.close();
  }
}

function nobody(version: string, others: readonly { readonly version: string }[], address: string): string {
  const versions = [...new Set(others.map((worker) => worker.version))];
  return others.length === 0
    ? `No worker is at work on ${address}. Start one on any machine: fiducial worker --store <address>`
    : `None of the ${others.length} workers on ${address} has this version, ${version}; they have ${versions.join(', ')}. Bring them in line.`;
}
