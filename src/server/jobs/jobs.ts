/**
 * The runs that this server works on: each in a thread of its own, at most so many at once.
 *
 * Starting answers with the run's id as soon as there is one; how it ended is in the run itself. A thread that dies
 * leaves a run that can be resumed, like any process that was killed.
 */
import type { Worker } from 'node:worker_threads';
import { fromPlain } from '../../models/open/protocol.ts';
import { startThread } from '../../models/open/start-thread.ts';
import type { Config } from '../../workbench/config.ts';
import { statusError } from '../api/errors.ts';
import type { FromJob, JobStart, ToJob, Work } from './protocol.ts';

export interface Jobs {
  /**
   * @returns the run's id
   * @throws FiducialError what made it fail before it had one; `server.too-many-runs`
   */
  start(work: Work): Promise<string>;
  /** Asks the run to end where it stands. @returns false where this server does not work on it */
  stop(run: string, reason: string): boolean;
  isAt(run: string): boolean;
  readonly count: number;
  /** Stops every run and waits until each has kept what it finished. */
  close(): Promise<void>;
}

export interface JobsOptions {
  /** The store's address, with whatever opens it. */
  readonly store: string;
  readonly config: Config;
  readonly most?: number;
  readonly onError: (error: unknown) => void;
}

interface Job {
  readonly thread: Worker;
  readonly ended: Promise<void>;
}

const tell = ({ thread: port }: Job, message: ToJob): void => port.postMessage(message);

export function openJobs({ store, config, most = 8, onError }: JobsOptions): Jobs {
  const jobs = new Set<Job>();
  const byRun = new Map<string, Job>();
  let isClosing = false;

  const start = (work: Work): Promise<string> =>
    new Promise((resolve, reject) => {
      if (isClosing || jobs.size >= most) {
        const why = isClosing ? 'The server is shutting down' : `${jobs.size} runs are under way here`;
        reject(statusError(503, 'server.too-many-runs', why, 'Wait for one of them, or stop it.'));
        return;
      }
      const data: JobStart = { store, config, work };
      const thread = startThread('./thread', import.meta.url, data);
      let run: string | undefined;
      let hasSaidEnd = false;
      const ended = new Promise<void>((done) => {
        thread.once('exit', (code) => {
          jobs.delete(job);
          if (run !== undefined && byRun.get(run) === job) byRun.delete(run);
          if (!hasSaidEnd) {
            const error = statusError(500, 'server.run-died', `The thread of the run ended with code ${code}`, '');
            reject(error);
            onError(error);
          }
          done();
        });
      });
      const job: Job = { thread, ended };
      jobs.add(job);
      thread.on('error', onError);
      thread.on('message', (message: FromJob) => {
        if (message.type === 'opened') {
          run = message.run;
          byRun.set(run, job);
          resolve(run);
          return;
        }
        hasSaidEnd = true;
        if (message.type === 'ended') resolve(message.run);
        else reject(fromPlain(message.error));
      });
    });

  return {
    start,
    stop(run, reason) {
      const job = byRun.get(run);
      if (job !== undefined) tell(job, { type: 'stop', reason });
      return job !== undefined;
    },
    isAt: (run) => byRun.has(run),
    get count() {
      return jobs.size;
    },
    async close() {
      isClosing = true;
      for (const job of jobs) tell(job, { type: 'stop', reason: 'the server was shut down' });
      await Promise.all([...jobs].map(({ ended }) => ended));
    },
  };
}
