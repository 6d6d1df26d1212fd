/**
 * Rates and budgets that hold over all workers: the ports `RateCounter` and `Ledger` on the store's PostgreSQL.
 *
 * A rate is a sliding window of twenty slots and two more, counted whole, so that no span of the asked length sees more
 * than the limit even though a call arrives a little later than it was granted; that costs up to 13 % of the rate.
 * rate-limiter-flexible, at hand for this, counts fixed windows: at their border twice the limit passes within one span.
 * A ledger is a row a run, changed in one statement; what a worker has set aside stands under its name, and is booked as
 * spent when it dies, since those calls may have been billed.
 */
import type pg from 'pg';
import type { Ledger, RateCounter, Reservation, Spending } from '../../models/ports.ts';
import type { Place } from './place.ts';

export interface Shared {
  readonly counter: RateCounter;
  /** The ledger of a run, for one worker. `spentBefore` is what the run's log says; the higher of the two counts. */
  ledger(run: string, executor: string, spentBefore: Spending): Promise<Ledger>;
  /** Books what a dead worker had set aside. */
  bookDead(executor: string): Promise<void>;
  close(): Promise<void>;
}

const slots = 20;
/** Slots beyond the window: how late, in twentieths of it, one call may arrive compared with another. */
const guardSlots = 2;
const kept = slots + guardSlots;

/** Connects, and makes the tables where they are not there. Every query is tried again while the server is gone. */
export async function openShared(place: Place, options: { readonly patienceMs?: number } = {}): Promise<Shared> {
  const { default: driver } = await import('pg');
  const pool = new driver.Pool({
    connectionString: place.url,
    max: 4,
    connectionTimeoutMillis: 5_000,
    allowExitOnIdle: true,
    application_name: 'fiducial worker',
    // A crash of the server may forget the last moments of a count; a run's log forgets nothing.
    options: `-c search_path=${place.sharedSchema} -c synchronous_commit=off`,
  });
  pool.on('error', () => undefined);
  const { patienceMs = 120_000 } = options;
  const query = async <R extends pg.QueryResultRow>(sql: string, params: readonly unknown[] = []): Promise<R[]> => {
    const began = performance.now();
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 1_000)) {
      try {
        return (await pool.query<R>(sql, [...params])).rows;
      } catch (error) {
        if (!isPassing(error) || performance.now() - began > patienceMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
      }
    }
  };
  await query(schemaText(place.sharedSchema));
  return {
    counter: {
      async take(resource, amount, limit) {
        const [row] = await query<{ wait: number }>('SELECT take($1, $2, $3, $4) AS wait', [
          resource,
          amount,
          limit.amount,
          limit.windowMs,
        ]);
        return row!.wait;
      },
    },
    async ledger(run, executor, spentBefore) {
      const { money, tokens, calls } = spentBefore;
      await query(
        `INSERT INTO ledger (run, money, tokens, calls) VALUES ($1, $2, $3, $4) ON CONFLICT (run) DO UPDATE SET
          money = greatest(ledger.money, excluded.money), tokens = greatest(ledger.tokens, excluded.tokens),
          calls = greatest(ledger.calls, excluded.calls)`,
        [run, money, tokens, calls],
      );
      return ledgerOver(query, run, executor);
    },
    async bookDead(executor) {
      await query(
        `WITH gone AS (DELETE FROM held WHERE executor = $1 RETURNING run, money, tokens, calls)
         UPDATE ledger SET money = ledger.money + gone.money, tokens = ledger.tokens + gone.tokens,
           calls = ledger.calls + gone.calls FROM gone WHERE ledger.run = gone.run`,
        [executor],
      );
    },
    close: () => pool.end(),
  };
}

type Query = <R extends pg.QueryResultRow>(sql: string, params?: readonly unknown[]) => Promise<R[]>;

function ledgerOver(query: Query, run: string, executor: string): Ledger {
  return {
    async reserve(worst, limit): Promise<Reservation> {
      const [row] = await query<{ answer: Reservation }>('SELECT reserve($1, $2, $3, $4, $5, $6, $7, $8) AS answer', [
        run,
        executor,
        worst.money,
        worst.tokens,
        worst.calls,
        limit.money ?? null,
        limit.tokens ?? null,
        limit.calls ?? null,
      ]);
      return row!.answer;
    },
    async settle(reserved, actual) {
      await query('SELECT settle($1, $2, $3, $4, $5, $6, $7, $8)', [
        run,
        executor,
        reserved.money,
        reserved.tokens,
        reserved.calls,
        actual.money,
        actual.tokens,
        actual.calls,
      ]);
    },
    async read() {
      const [row] = await query<Record<string, number>>(
        `SELECT money, tokens, calls,
          (SELECT coalesce(sum(money), 0)::float8 FROM held WHERE run = $1) AS held_money,
          (SELECT coalesce(sum(tokens), 0)::float8 FROM held WHERE run = $1) AS held_tokens,
          (SELECT coalesce(sum(calls), 0)::float8 FROM held WHERE run = $1) AS held_calls
         FROM ledger WHERE run = $1`,
        [run],
      );
      return {
        spent: { money: row!['money']!, tokens: row!['tokens']!, calls: row!['calls']! },
        reserved: { money: row!['held_money']!, tokens: row!['held_tokens']!, calls: row!['held_calls']! },
      };
    },
  };
}

/** The server is gone, starting or shutting down, or two processes make the same table at once. */
function isPassing(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isPassing);
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (/^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|57P0|08|40|42P0[67]|42723)/.test(code)) return true;
  if (code === '23505' || code === 'XX000') return /pg_|concurrently updated/.test(error.message);
  return code === '' && /terminated|timeout exceeded|not queryable/i.test(error.message);
}

const schemaText = (schema: string): string => `
CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE TABLE IF NOT EXISTS rate (resource TEXT, slot BIGINT, amount FLOAT8 NOT NULL, PRIMARY KEY (resource, slot));
CREATE TABLE IF NOT EXISTS ledger (run TEXT PRIMARY KEY, money FLOAT8 NOT NULL, tokens FLOAT8 NOT NULL, calls FLOAT8 NOT NULL);
CREATE TABLE IF NOT EXISTS held (run TEXT, executor TEXT, money FLOAT8 NOT NULL, tokens FLOAT8 NOT NULL,
  calls FLOAT8 NOT NULL, PRIMARY KEY (run, executor));

-- 0 when taken, else the milliseconds until enough is free again.
CREATE OR REPLACE FUNCTION take(asked TEXT, cost FLOAT8, most FLOAT8, window_ms FLOAT8) RETURNS FLOAT8 AS $$
DECLARE
  width FLOAT8 := window_ms / ${slots};
  now_ms FLOAT8;
  here BIGINT;
  used FLOAT8;
  frees FLOAT8;
BEGIN
  -- One at a time; the clock is read and the count taken behind the lock.
  PERFORM pg_advisory_xact_lock(hashtext('fiducial rate'), hashtext(asked));
  now_ms := extract(epoch FROM clock_timestamp()) * 1000;
  here := floor(now_ms / width);
  DELETE FROM rate WHERE resource = asked AND slot < here - ${kept};
  SELECT coalesce(sum(amount), 0) INTO used FROM rate WHERE resource = asked;
  -- What is larger than the whole limit could never pass; it passes alone.
  cost := least(cost, most);
  IF used + cost <= most + 1e-9 * most THEN
    INSERT INTO rate VALUES (asked, here, cost) ON CONFLICT (resource, slot) DO UPDATE SET amount = rate.amount + cost;
    RETURN 0;
  END IF;
  SELECT min(slot) INTO here FROM
    (SELECT slot, sum(amount) OVER (ORDER BY slot) AS freed FROM rate WHERE resource = asked) AS running
    WHERE freed >= used + cost - most - 1e-9 * most;
  frees := (here + ${kept} + 1) * width;
  RETURN greatest(1, ceil(frees - now_ms));
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION reserve(asked TEXT, by_executor TEXT, worst_money FLOAT8, worst_tokens FLOAT8,
  worst_calls FLOAT8, most_money FLOAT8, most_tokens FLOAT8, most_calls FLOAT8) RETURNS TEXT AS $$
DECLARE
  spent ledger%ROWTYPE;
  held_money FLOAT8; held_tokens FLOAT8; held_calls FLOAT8;
BEGIN
  SELECT * INTO spent FROM ledger WHERE run = asked FOR UPDATE;
  IF spent.money + worst_money > most_money * (1 + 1e-9) OR spent.tokens + worst_tokens > most_tokens
    OR spent.calls + worst_calls > most_calls THEN RETURN 'exhausted'; END IF;
  SELECT coalesce(sum(money), 0), coalesce(sum(tokens), 0), coalesce(sum(calls), 0)
    INTO held_money, held_tokens, held_calls FROM held WHERE run = asked;
  IF spent.money + held_money + worst_money > most_money * (1 + 1e-9)
    OR spent.tokens + held_tokens + worst_tokens > most_tokens
    OR spent.calls + held_calls + worst_calls > most_calls THEN RETURN 'wait'; END IF;
  INSERT INTO held VALUES (asked, by_executor, worst_money, worst_tokens, worst_calls)
    ON CONFLICT (run, executor) DO UPDATE SET money = held.money + worst_money, tokens = held.tokens + worst_tokens,
      calls = held.calls + worst_calls;
  RETURN 'granted';
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION settle(asked TEXT, by_executor TEXT, held_money FLOAT8, held_tokens FLOAT8,
  held_calls FLOAT8, real_money FLOAT8, real_tokens FLOAT8, real_calls FLOAT8) RETURNS VOID AS $$
BEGIN
  UPDATE ledger SET money = money + real_money, tokens = tokens + real_tokens, calls = calls + real_calls
    WHERE run = asked;
  UPDATE held SET money = greatest(0, money - held_money), tokens = greatest(0, tokens - held_tokens),
    calls = greatest(0, calls - held_calls) WHERE run = asked AND executor = by_executor;
END $$ LANGUAGE plpgsql;
`;
