/**
 * Runs on many machines, with real worker processes over a real PostgreSQL: killed, frozen, cut off from the server.
 *
 * Each run is held against the same task in one process: equal figures, and each question asked once but for those that
 * were under way when something was killed. The longer series, with throughput, is `npm run bench -- workers`.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { openStore, type Store } from '../../src/store/index.ts';
import { readOutcome } from '../../src/workbench/figures.ts';
import { startPostgres } from '../postgres.ts';
import {
  aloneOutcome,
  endWorkers,
  mostWithin,
  openSite,
  type Site,
  startWorker,
  submitTask,
  type Task,
  untilTrials,
  type WorkerProcess,
} from './site.ts';
import { postgresOrSkip } from './skip.ts';

const server = await postgresOrSkip(startPostgres);
const concurrency = 8;

describe.skipIf(server === undefined)('workers on many machines', () => {
  let site: Site;
  let address: string;
  let store: Store;
  let workers: WorkerProcess[] = [];
  beforeAll(async () => {
    site = await openSite(50);
    address = server!.address;
    store = await openStore({ address });
    workers = [1, 2, 3].map(() => startWorker(address, concurrency));
    await Promise.all(workers.map((worker) => worker.said(/is ready/)));
  });
  beforeEach(() => onTestFailed(() => console.error(workers.map(({ log }) => log()).join('\n'))));
  afterAll(async () => {
    await endWorkers(workers);
    await store.close();
    await site.close();
    await server!.stop();
  });

  /** Held against one process: the same outcome, every trial once. @returns calls that were made more than once */
  async function compare(run: string, task: Task): Promise<number> {
    const asked = site.endpoint.arrivals.length;
    const repeats = [...site.endpoint.asked.values()].reduce((sum, times) => sum + times - 1, 0);
    const stored = await readOutcome(await store.run(run));
    const alone = await aloneOutcome(site, task);
    expect(stored?.outcome).toEqual(alone.outcome);
    const { trials, usage } = await (await store.run(run)).info();
    expect(trials).toEqual({ measured: 2 * task.items, undetermined: 0, error: 0 });
    expect(usage.calls).toBe(alone.calls);
    expect(asked).toBe(alone.calls + repeats);
    return repeats;
  }

  it('keep one limit of 50 calls a second, and no call is made twice', { timeout: 120_000 }, async () => {
    const task: Task = { items: 80, attempts: 2, seed: 1 };
    const limits = { requests: { amount: 50, windowMs: 1_000 } };
    const { run, wait } = await submitTask(site, task, address, { limits });
    expect(await wait()).toEqual({ status: 'done' });
    const arrivals = [...site.endpoint.arrivals];
    expect(await compare(run, task)).toBe(0);
    // An endpoint that is late now and then sees calls closer together than they were sent: spans of two seconds.
    expect(mostWithin(arrivals, 2_000)).toBeLessThanOrEqual(2 * 50);
  });

  it(
    'count each trial once with one killed for good and one frozen and thawed, whose writes are refused',
    { timeout: 100_000 },
    async () => {
      site.endpoint.forget();
      const task: Task = { items: 80, attempts: 3, seed: 2 };
      const { run, wait } = await submitTask(site, task, address);
      await untilTrials(store, run, 15);
      const [killed, frozen, left] = workers as [WorkerProcess, WorkerProcess, WorkerProcess];
      killed.child.kill('SIGKILL');
      frozen.child.kill('SIGSTOP');
      const name = /worker (\S+) is ready/.exec(frozen.log())![1]!;
      await left.said(new RegExp(`${name} has not been heard of`));
      frozen.child.kill('SIGCONT');
      await frozen.said(/it begins again under a new name/);
      expect(await wait()).toEqual({ status: 'done' });
      const repeats = await compare(run, task);
      // In flight when they were stopped, and what the frozen one asked before it heard that it was taken over.
      expect(repeats).toBeLessThanOrEqual(3 * concurrency);
      expect(await store.verify()).toEqual([]);
    },
  );

  it(
    'lose nothing while the server is killed and comes back, and say what they wait for',
    { timeout: 100_000 },
    async () => {
      site.endpoint.forget();
      const task: Task = { items: 60, attempts: 3, seed: 3 };
      const { run, wait } = await submitTask(site, task, address);
      await untilTrials(store, run, 15);
      await server!.crash();
      const alive = workers.filter(({ child }) => child.exitCode === null && child.signalCode === null);
      await Promise.race(alive.map((worker) => worker.said(/does not answer; waiting for it/)));
      await server!.restart();
      await Promise.race(alive.map((worker) => worker.said(/the store answers again/)));
      expect(await wait()).toEqual({ status: 'done' });
      expect(await compare(run, task)).toBeLessThanOrEqual(alive.length * concurrency);
      for (const { child } of alive) expect(child.exitCode).toBeNull();
    },
  );

  it('take a run from the command line, whose standard output is its result alone', { timeout: 60_000 }, async () => {
    const command = [
      'bin/fiducial.mjs',
      'run',
      'redteam/best-of-n',
      '--demo',
      '--workers',
      '--store',
      address,
      '--json',
    ];
    const { stdout } = await promisify(execFile)(process.execPath, command);
    const { status, outcome } = JSON.parse(stdout) as { status: string; outcome: { measures: { n: number }[] } };
    expect(status).toBe('done');
    expect(outcome.measures.map(({ n }) => n)).toEqual([3, 3, 3]);
  });

  it('leave when they are asked to, with nothing left taken', { timeout: 60_000 }, async () => {
    const alive = workers.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    for (const { child } of alive) child.kill('SIGTERM');
    expect(await Promise.all(alive.map(({ ended }) => ended))).toEqual(alive.map(() => 0));
    const leases = await store.leases.list('worker/');
    const names = alive.map((worker) => [...worker.log().matchAll(/worker (\S+) is ready/g)].at(-1)![1]!);
    expect(leases.filter(({ name }) => names.some((each) => name.endsWith(`/${each}`)))).toEqual([]);
  });
});
