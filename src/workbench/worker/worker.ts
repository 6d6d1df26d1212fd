/**
 * A worker: takes runs to lead and trials to make from the queues of a PostgreSQL store, until it is told to leave.
 *
 * Its name and lease are new each time it begins. When it was taken over while it was frozen, every write of its old self
 * is refused; it lets go of what it had and begins again under a new name. When it leaves by itself, it hands its jobs
 * back first, so that nobody has to wait for its lease to lapse.
 */
import { setMaxListeners } from 'node:events';
import { FiducialError, isFiducialError } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { createRedactor } from '../../models/redact.ts';
import { canonicalJson, openStore, type Store } from '../../store/index.ts';
import { openCallLog } from '../ports.ts';
import { defaultConcurrency, type RunOptions } from '../world.ts';
import { type Gate, openGate } from './gate.ts';
import { type Executor, type Jobs, type JobsOptions, openJobs, startExecutor } from './jobs.ts';
import { lead } from './lead.ts';
import { join, type Membership } from './membership.ts';
import { placeOf } from './place.ts';
import { Session } from './session.ts';
import { openShared, type Shared } from './shared.ts';
import { runJob, runOptionsOf, runsAtOnce, runsQueue, type SharedOptions, type TrialsJob, trialsJob } from './units.ts';
import { workVersion } from './version.ts';

export interface WorkerOptions {
  /** `postgres://user@host/database`. */
  readonly address: string;
  /** Trials made at once in this process, over all runs. @default 32 */
  readonly concurrency?: number;
  /** A worker that is silent for so long is taken over. @default 15_000 */
  readonly leaseMs?: number;
  /** Leaves when it aborts. */
  readonly signal: AbortSignal;
  /** What a person at the terminal should know. */
  readonly say?: (line: string) => void;
}

/**
 * Works until the signal aborts.
 *
 * @throws FiducialError `worker.needs-postgres`; `store.unreachable` when the server stays away; what makes this machine
 * unfit for the work: a key that is missing, files that differ
 * @example await work({ address: 'postgres://lab@db/fiducial', signal: control.signal });
 */
export async function work(options: WorkerOptions): Promise<void> {
  const { address, signal, say = () => undefined } = options;
  const place = placeOf(address);
  const redactor = createRedactor();
  const store = await openStore({ address, redact: (text) => redactor.text(text) });
  const jobsOptions: JobsOptions = { place, version: workVersion(), warn: patientWarnings(say) };
  const shared = await openShared(place);
  const jobs = await openJobs(jobsOptions);
  try {
    await jobs.openQueue(runsQueue, runsAtOnce);
    while (!signal.aborted) {
      const life = new Life({ store, jobs, shared, jobsOptions, options, say });
      const end = await life.live(signal);
      if (end === 'fenced') say('it was taken over while it did not answer; it begins again under a new name');
    }
  } finally {
    await jobs.close();
    await shared.close();
    await store.close();
  }
}

interface LifeParts {
  readonly store: Store;
  readonly jobs: Jobs;
  readonly shared: Shared;
  readonly jobsOptions: JobsOptions;
  readonly options: WorkerOptions;
  readonly say: (line: string) => void;
}

/** A worker under one name. */
class Life {
  readonly #parts: LifeParts;
  readonly #concurrency: number;
  readonly #gate: Gate;
  readonly #over = new AbortController();
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #underWay = new Set<Promise<unknown>>();
  #membership!: Membership;
  #isFenced = false;
  #unfit: FiducialError | undefined;

  constructor(parts: LifeParts) {
    this.#parts = parts;
    this.#concurrency = parts.options.concurrency ?? defaultConcurrency;
    this.#gate = openGate(this.#concurrency);
    // Every trial and wait listens to it.
    setMaxListeners(0, this.#over.signal);
  }

  async live(signal: AbortSignal): Promise<'left' | 'fenced'> {
    const { store, jobs, shared, jobsOptions, options, say } = this.#parts;
    this.#membership = await join(store, {
      version: jobsOptions.version,
      leaseMs: options.leaseMs ?? 15_000,
      say,
      takeOver: async (dead) => {
        const count = await jobs.reassign(dead);
        await shared.bookDead(dead);
        if (count > 0) say(`${count} jobs of ${dead} are in their queues again`);
      },
      busy: () => jobs.executors(),
      onFenced: () => this.#end(true),
    });
    const { executor } = this.#membership;
    const leave = (): void => this.#end(false);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    let running: Executor | undefined;
    try {
      const handlers = {
        run: (input: Json) => this.#track(() => this.#lead(input)),
        trials: (input: Json) => this.#track(() => this.#make(input)),
      };
      running = await startExecutor(executor, handlers, jobsOptions);
      say(`worker ${executor} is ready: ${jobsOptions.version} on ${store.address}`);
      await new Promise<void>((resolve) => {
        if (this.#over.signal.aborted) resolve();
        this.#over.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    } finally {
      signal.removeEventListener('abort', leave);
      this.#end(false);
      await running?.stop();
      await Promise.allSettled(this.#underWay);
      // Also when it was taken over: between its thawing and its hearing of that, it may have taken more.
      await jobs.reassign(executor);
      await shared.bookDead(executor);
      if (!this.#isFenced) await this.#membership.leave();
    }
    if (this.#unfit !== undefined) throw this.#unfit;
    return this.#isFenced ? 'fenced' : 'left';
  }

  #end(isFenced: boolean): void {
    if (this.#over.signal.aborted) return;
    this.#isFenced = isFenced;
    const reason = isFenced
      ? new FiducialError('store.fenced', 'This worker was taken over', '')
      : new FiducialError('worker.left', 'This worker left', '');
    this.#over.abort(reason);
    for (const session of this.#sessions.values()) void session.then((each) => each.end(reason)).catch(() => undefined);
  }

  /** A job that is let go of must stay taken, so that reassigning finds it: its promise never settles for DBOS. */
  async #track(job: () => Promise<Json>): Promise<Json> {
    const underWay = this.#membership.check().then(job);
    this.#underWay.add(underWay);
    try {
      return await underWay;
    } catch (error) {
      if (isFiducialError(error, 'store.fenced')) this.#end(true);
      if (this.#over.signal.aborted) return await new Promise<never>(() => undefined);
      throw error;
    } finally {
      this.#underWay.delete(underWay);
    }
  }

  async #lead(input: Json): Promise<Json> {
    const { store, jobs, say } = this.#parts;
    const job = runJob.parse(input);
    say(`leads run ${job.run}`);
    const shared = await this.#sharedPorts(job.run);
    const result = await lead(job, { store, jobs, leaving: this.#over.signal, shared, concurrency: this.#concurrency });
    say(`run ${job.run} is ${result.status}${result.reason === undefined ? '' : `: ${result.reason}`}`);
    return result as unknown as Json;
  }

  async #make(input: Json): Promise<Json> {
    const job = trialsJob.parse(input);
    for (let tries = 0; ; tries++) {
      this.#over.signal.throwIfAborted();
      if ((await this.#statusOf(job.root)) !== 'running') return 0;
      const session = await this.#session(job);
      try {
        await session.perform(job);
        return job.items.length;
      } catch (error) {
        if (this.#over.signal.aborted) throw error;
        // The run was over, or this part in it ended; where it goes on, another part does.
        if (!session.signal.aborted || tries >= 3) throw error;
      }
    }
  }

  async #statusOf(run: string): Promise<string> {
    return (await (await this.#parts.store.run(run)).info()).status;
  }

  async #session(job: TrialsJob): Promise<Session> {
    // A run that goes on under another budget is another part to take.
    const place = `${job.root} ${canonicalJson(job.options as Json)}`;
    const known = this.#sessions.get(place);
    if (known !== undefined) {
      const session = await known;
      if (!session.signal.aborted && !session.hasBegun(job)) return session;
    }
    // Another unit may have opened the next one while we waited.
    if (this.#sessions.get(place) === known) this.#sessions.set(place, this.#open(place, job.root, job.options));
    return await this.#sessions.get(place)!;
  }

  async #open(place: string, root: string, shared: SharedOptions): Promise<Session> {
    const { store, say } = this.#parts;
    const options: RunOptions & { readonly aliases?: Record<string, string> } = {
      ...runOptionsOf(shared),
      ...(await this.#sharedPorts(root)),
      store,
      isShared: true,
    };
    const session = new Session({
      store,
      options,
      gate: this.#gate,
      fence: (run) => run.holding(this.#membership.lease),
    });
    try {
      await session.open(await store.run(root));
    } catch (error) {
      if (error instanceof FiducialError) {
        // What this machine lacks it lacks for every unit: better that others take them.
        this.#unfit ??= error;
        this.#end(false);
      }
      throw error;
    }
    say(`takes part in run ${root}`);
    void this.#watch(session, root, place);
    return session;
  }

  /** Ends a session with its run. A run that stopped a moment ago may be on its way to another leader. */
  async #watch(session: Session, root: string, place: string): Promise<void> {
    for (let idle = 0; !session.signal.aborted;) {
      await new Promise((resolve) => setTimeout(resolve, 1_000).unref());
      const status = await this.#statusOf(root).catch(() => 'running');
      idle = status === 'running' ? 0 : idle + 1;
      if (status === 'done' || status === 'failed' || idle >= 5) {
        session.end(new FiducialError('worker.run-over', `Run ${root} is ${status}`, ''));
      }
    }
    const current = this.#sessions.get(place);
    if (current !== undefined && (await current.catch(() => undefined)) === session) this.#sessions.delete(place);
  }

  async #sharedPorts(run: string): Promise<Pick<RunOptions, 'counter' | 'ledger'>> {
    const { store, shared } = this.#parts;
    const { spent } = await openCallLog(await store.run(run));
    return {
      counter: shared.counter,
      ledger: await shared.ledger(run, this.#membership.executor, spent),
    };
  }
}

/**
 * DBOS warns of every try while the server is away; once a minute is enough, and the heartbeat says it first. That a job
 * was cancelled or taken over while it ran is ordinary here.
 */
function patientWarnings(say: (line: string) => void): (line: string) => void {
  let lastMs = -Infinity;
  return (line) => {
    if (performance.now() - lastMs < 60_000 || /is not the latest version|no longer owned/.test(line)) return;
    lastMs = performance.now();
    say(`jobs: ${line}`);
  };
}
