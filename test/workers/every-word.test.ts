/**
 * Every word of a context over machines: the outcome of a method that uses them all is the one of a single process, no
 * question is asked twice, budgets hold over workers, and failures end a run as they do in one process.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { openStore, type Store } from '../../src/store/index.ts';
import { startPostgres } from '../postgres.ts';
import type { Order } from './every-word-run.ts';
import { endWorkers, openSite, rowsOf, type Site, startScript, type WorkerProcess } from './site.ts';
import { postgresOrSkip } from './skip.ts';

const server = await postgresOrSkip(startPostgres);
const items = 20;

describe.skipIf(server === undefined)('a method that uses every word, over two workers', () => {
  let site: Site;
  let address: string;
  let store: Store;
  let workers: WorkerProcess[] = [];
  let fillings: Record<string, string>;
  beforeAll(async () => {
    site = await openSite(20);
    address = `${server!.address}?schema=every_word`;
    fillings = { target: `openai-compatible:${site.endpoint.url}/v1#m`, requests: rowsOf(site, items) };
    store = await openStore({ address });
    workers = [1, 2].map(() => startScript('every-word-worker.ts', [address, '4']));
    await Promise.all(workers.map((worker) => worker.said(/is ready/)));
  });
  beforeEach(() => onTestFailed(() => console.error(workers.map(({ log }) => log()).join('\n'))));
  afterAll(async () => {
    await endWorkers(workers);
    await store.close();
    await site.close();
    await server!.stop();
  });

  interface Report {
    readonly run: string;
    readonly result: { readonly status: string; readonly reason?: string };
    readonly outcome?: unknown;
  }

  async function order(asked: Partial<Order> & Pick<Order, 'seed'>): Promise<Report> {
    const whole: Order = { how: 'workers', address, fillings, params: {}, ...asked };
    const script = join(import.meta.dirname, 'every-word-run.ts');
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, JSON.stringify(whole)]);
    return JSON.parse(stdout) as Report;
  }

  it('comes to the outcome of one process, with each question asked once', { timeout: 60_000 }, async () => {
    const shared = await order({ seed: 4 });
    expect(shared.result).toEqual({ status: 'done' });
    expect(Math.max(...site.endpoint.asked.values())).toBe(1);
    const questions = new Set(site.endpoint.asked.keys());
    for (const worker of workers) expect(worker.log()).toContain(`takes part in run ${shared.run}`);
    const children = await (await store.run(shared.run)).children();
    expect(children.map(({ status }) => status)).toEqual(['done', 'done']);

    const alone = await order({ how: 'alone', address: join(site.folder, 'alone'), seed: 4 });
    expect(alone.outcome).toBeDefined();
    expect(shared.outcome).toEqual(alone.outcome);
    expect(new Set(site.endpoint.asked.keys())).toEqual(questions);
  });

  it('stops at a budget that holds over the workers, and goes on when it is raised', { timeout: 60_000 }, async () => {
    site.endpoint.forget();
    const first = await order({ seed: 5, shared: { budget: { calls: 30 } } });
    expect(first.result).toMatchObject({ status: 'stopped', reason: expect.stringContaining('budget') as string });
    expect(site.endpoint.arrivals.length).toBeLessThanOrEqual(30);
    const second = await order({ seed: 5, shared: { budget: { calls: 1_000 } } });
    expect(second).toMatchObject({ run: first.run, result: { status: 'done' } });
    // What was under way when the budget was reached, at most, was asked again.
    expect(Math.max(...site.endpoint.asked.values())).toBeLessThanOrEqual(2);
  });

  it('keeps errors aside within their share, and fails past it', { timeout: 60_000 }, async () => {
    const within = await order({ seed: 6, params: { failing: 2 } });
    expect(within.result).toEqual({ status: 'done' });
    const { outer } = await (await store.run(within.run)).counts();
    expect(outer).toEqual({ measured: items - 2, undetermined: 0, error: 2 });
    const past = await order({ seed: 6, params: { failing: 5 } });
    expect(past.result).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/3 of 20 trials of "outer" failed/) as string,
    });
    expect((await (await store.run(past.run)).info()).trials.error).toBe(0);
  });
});
