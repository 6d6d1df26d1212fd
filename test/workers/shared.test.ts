/**
 * Rates and budgets over all workers, on a real PostgreSQL: three connections of their own stand for three machines.
 * What is asserted is what was granted, never when.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeOf } from '../../src/workbench/worker/place.ts';
import { openShared, type Shared } from '../../src/workbench/worker/shared.ts';
import { type PostgresServer, startPostgres } from '../postgres.ts';
import { postgresOrSkip } from './skip.ts';

const start = await postgresOrSkip(startPostgres);

describe.skipIf(start === undefined)('rates and budgets over machines', () => {
  let server: PostgresServer;
  let machines: Shared[];
  beforeAll(async () => {
    server = start!;
    const place = placeOf(`${server.address}?schema=shared_test`);
    // All at once: making the tables must not be a race.
    machines = await Promise.all([openShared(place), openShared(place), openShared(place)]);
  });
  afterAll(async () => {
    await Promise.all(machines.map((machine) => machine.close()));
    await server.stop();
  });

  it('grants a limit once, however many ask, and says when there is more', async () => {
    const limit = { amount: 50, windowMs: 600_000 };
    const waits = await Promise.all(
      Array.from({ length: 150 }, async (_, i) => await machines[i % 3]!.counter.take('endpoint', 1, limit)),
    );
    expect(waits.filter((wait) => wait === 0)).toHaveLength(50);
    for (const wait of waits.filter((each) => each > 0)) expect(wait).toBeLessThanOrEqual(1.15 * limit.windowMs);
    // Another resource is another count, and what is larger than the limit passes alone.
    expect(await machines[0]!.counter.take('other', 80, limit)).toBe(0);
    expect(await machines[1]!.counter.take('other', 1, limit)).toBeGreaterThan(0);
  });

  it('never sets aside more than a budget, and tells waiting from exhausted', async () => {
    const spentBefore = { money: 0, tokens: 0, calls: 3 };
    const ledgers = await Promise.all(machines.map((machine, i) => machine.ledger('run', `worker ${i}`, spentBefore)));
    const worst = { money: 0.25, tokens: 100, calls: 1 };
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => await ledgers[i % 3]!.reserve(worst, { money: 2, calls: 20 })),
    );
    expect(answers.filter((answer) => answer === 'granted')).toHaveLength(8);
    expect(answers.filter((answer) => answer === 'wait')).toHaveLength(52);
    // It came in cheaper: there is room again.
    await ledgers[0]!.settle(worst, { money: 0.05, tokens: 20, calls: 1 });
    expect(await ledgers[1]!.reserve(worst, { money: 2.05 })).toBe('granted');
    expect(await ledgers[1]!.reserve(worst, { calls: 4 })).toBe('exhausted');
    const { spent, reserved } = await ledgers[2]!.read();
    expect(spent).toEqual({ money: 0.05, tokens: 20, calls: 4 });
    expect(reserved).toEqual({ money: 2, tokens: 800, calls: 8 });
  });

  it('books what a dead worker had set aside, once', async () => {
    const ledger = await machines[0]!.ledger('other run', 'doomed', { money: 0, tokens: 0, calls: 0 });
    await ledger.reserve({ money: 1, tokens: 10, calls: 1 }, { money: 5 });
    await Promise.all(machines.map((machine) => machine.bookDead('doomed')));
    expect(await ledger.read()).toEqual({
      spent: { money: 1, tokens: 10, calls: 1 },
      reserved: { money: 0, tokens: 0, calls: 0 },
    });
  });
});
