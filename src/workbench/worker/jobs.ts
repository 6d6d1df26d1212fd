/**
 * Durable jobs on the store's own PostgreSQL: a narrow port, and DBOS Transact behind it.
 *
 * A job is a workflow without steps of its own: what it did lies in the run's log, so that doing it again does only what
 * is missing. DBOS gives the queue, the claim of one job by one process, and the status that survives everybody. Taking
 * over a dead process's jobs is not part of its free half, so `reassign` is called by our own leases (`membership.ts`).
 * One process is one executor: DBOS is a singleton, and two live processes must never share an executor's name.
 */
import type { DBOSClient, DLogger } from '@dbos-inc/dbos-sdk';
import type { Json } from '../../core/values.ts';
import type { Place } from './place.ts';

/** What is done: a whole run is led to its outcome, or some trials of one are made. */
export type JobKind = 'run' | 'trials';

export interface Job {
  /** The same id is the same job: it is submitted once. */
  readonly id: string;
  readonly kind: JobKind;
  readonly queue: string;
  readonly input: Json;
}

export interface JobStatus {
  readonly id: string;
  /** `waiting`: nobody has it. `taken`: an executor has it. `done`, `failed`, `cancelled`: over. */
  readonly status: 'waiting' | 'taken' | 'done' | 'failed' | 'cancelled';
  readonly executor: string | undefined;
  readonly output: Json | undefined;
  /** Why it failed. */
  readonly reason: string | undefined;
}

/** The half that any process may use. */
export interface Jobs {
  /** Makes the queue if it is not there. @param atOnce jobs that one executor takes at once */
  openQueue(name: string, atOnce: number): Promise<void>;
  submit(job: Job): Promise<void>;
  /** Jobs whose id begins so, oldest first. */
  list(prefix: string): Promise<readonly JobStatus[]>;
  cancel(ids: readonly string[]): Promise<void>;
  /** Who has taken jobs that are not over. */
  executors(): Promise<ReadonlySet<string>>;
  /** Puts what an executor had taken back into the queues. @returns how many jobs */
  reassign(executor: string): Promise<number>;
  close(): Promise<void>;
}

export type Handler = (input: Json) => Promise<Json>;

export interface JobsOptions {
  readonly place: Place;
  /** Only executors of the same version take each other's jobs. */
  readonly version: string;
  readonly warn?: (line: string) => void;
}

const application = 'fiducial';
const workflowOf: Readonly<Record<JobKind, string>> = { run: 'fiducial-run', trials: 'fiducial-trials' };
const pollMs = 100;

/** Connects; makes DBOS's tables where they are not there yet. */
export async function openJobs(options: JobsOptions): Promise<Jobs> {
  const { DBOS, DBOSClient } = await import('@dbos-inc/dbos-sdk');
  const { url, jobsSchema } = options.place;
  await prepare(options.place, () => DBOS.migrate(url, { schemaName: jobsSchema }));
  const client = await DBOSClient.create({
    systemDatabaseUrl: url,
    systemDatabaseSchemaName: jobsSchema,
    systemDatabasePoolSize: 4,
    applicationName: application,
    logger: loggerTo(options.warn),
  });
  return jobsOver(client, options.version);
}

function jobsOver(client: DBOSClient, version: string): Jobs {
  return {
    async openQueue(name, atOnce) {
      await client.registerQueue(name, {
        workerConcurrency: atOnce,
        minPollingIntervalMs: pollMs,
        onConflict: 'always_update',
        applicationName: application,
      });
    },
    async submit(job) {
      await client.enqueue(
        {
          workflowName: workflowOf[job.kind],
          workflowID: job.id,
          queueName: job.queue,
          appVersion: version,
          applicationName: application,
        },
        job.input,
      );
    },
    async list(prefix) {
      const found = await client.listWorkflows({ workflow_id_prefix: prefix, loadInput: false, loadOutput: true });
      return found.map((each) => ({
        id: each.workflowID,
        status: statuses[each.status] ?? 'failed',
        executor: each.executorId,
        output: each.output as Json | undefined,
        reason: each.error instanceof Error ? each.error.message : undefined,
      }));
    },
    async cancel(ids) {
      if (ids.length > 0) await client.cancelWorkflows([...ids]);
    },
    async executors() {
      const taken = await client.listWorkflows({ status: 'PENDING', loadInput: false, loadOutput: false });
      return new Set(taken.flatMap(({ executorId }) => (executorId === undefined ? [] : [executorId])));
    },
    async reassign(executor) {
      const taken = await client.listWorkflows({
        executorId: executor,
        status: 'PENDING',
        loadInput: false,
        loadOutput: false,
      });
      const queues = new Map<string, string[]>();
      for (const { workflowID, queueName } of taken) {
        if (queueName === undefined) continue;
        queues.set(queueName, [...(queues.get(queueName) ?? []), workflowID]);
      }
      for (const [queueName, ids] of queues) await client.resumeWorkflows(ids, { queueName });
      return taken.length;
    },
    close: () => client.destroy(),
  };
}

const statuses: Readonly<Record<string, JobStatus['status']>> = {
  ENQUEUED: 'waiting',
  DELAYED: 'waiting',
  PENDING: 'taken',
  SUCCESS: 'done',
  CANCELLED: 'cancelled',
};

export interface Executor {
  /** Takes no more jobs and lets go of those under way; they stay this executor's until they are reassigned. */
  stop(): Promise<void>;
}

/** The handlers of the executor of this process, looked up when a job begins: DBOS registers functions only once. */
let handlers: Readonly<Record<JobKind, Handler>> | undefined;
let isRegistered = false;

/** Begins to take jobs from every queue. One at a time in a process. */
export async function startExecutor(
  name: string,
  work: Readonly<Record<JobKind, Handler>>,
  options: JobsOptions,
): Promise<Executor> {
  const { DBOS } = await import('@dbos-inc/dbos-sdk');
  handlers = work;
  if (!isRegistered) {
    isRegistered = true;
    for (const kind of ['run', 'trials'] as const) {
      DBOS.registerWorkflow(async (input: Json) => await handlers![kind](input), {
        name: workflowOf[kind],
        // A job that is taken over again and again is ended by our own count of attempts, with words.
        maxRecoveryAttempts: 1_000,
      });
    }
  }
  DBOS.setConfig({
    name: application,
    systemDatabaseUrl: options.place.url,
    systemDatabaseSchemaName: options.place.jobsSchema,
    systemDatabasePoolSize: 6,
    applicationVersion: options.version,
    executorID: name,
    logger: loggerTo(options.warn),
    runMigrations: false,
  });
  await DBOS.launch();
  return { stop: () => DBOS.shutdown() };
}

function loggerTo(warn: ((line: string) => void) | undefined): DLogger {
  const ignore = (): void => undefined;
  const pass = (entry: unknown): void => warn?.(entry instanceof Error ? entry.message : String(entry));
  return { info: ignore, debug: ignore, warn: pass, error: pass };
}

/** Makes DBOS's tables, one process at a time: two at once would trip over each other. */
async function prepare(place: Place, migrate: () => Promise<void>): Promise<void> {
  const { default: driver } = await import('pg');
  const client = new driver.Client({ connectionString: place.url, application_name: 'fiducial worker' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    // Held by the connection, so that it is free again when this process dies. Asked for again and again, because indices
    // that are made concurrently wait for every statement under way, and so for one that waits for this lock.
    const ask = 'SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS held';
    while (!(await client.query<{ held: boolean }>(ask, ['fiducial jobs', place.jobsSchema])).rows[0]!.held) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // It prints to the standard output, which belongs to a command's result.
    const print = console.log;
    console.log = () => undefined;
    try {
      await migrate();
    } finally {
      console.log = print;
    }
  } finally {
    await client.end();
  }
}
