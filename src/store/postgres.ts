/**
 * PostgreSQL through pg: one schema on a server that many machines write to.
 *
 * Every write transaction takes one advisory lock first, so that the log has one order over all machines. A server that
 * is gone is waited for and the transaction is run again; whether a commit whose answer was lost took place is read from
 * a row that each transaction leaves (a transaction id would not do: a crashed server gives the same one out again). A
 * client that is frozen in the middle of a transaction is cut off by the server after ten seconds.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { FiducialError, show } from '../core/errors.ts';
import type { Connection, Database, Row, Value } from './database.ts';

export interface PostgresOptions {
  readonly lockTimeoutMs: number;
  readonly reconnectTimeoutMs: number;
  readonly durability: 'process' | 'power';
  readonly readOnly: boolean;
  /** Replaces the server's clock; for tests. */
  readonly now?: () => number;
}

const connectTimeoutMs = 5_000;
const frozenClientMs = 10_000;
const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/;

/** Connects to `postgres://...?schema=name`; makes the schema unless `readOnly`. */
export async function openPostgres(address: string, options: PostgresOptions): Promise<Database> {
  const { url, schema, shown } = parseAddress(address);
  const { default: driver } = await import('pg');
  const pool = new driver.Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // A pool that is not in use must not keep a finished command alive.
    allowExitOnIdle: true,
    application_name: 'fiducial',
    options: `-c search_path=${schema} -c idle_in_transaction_session_timeout=${frozenClientMs}${options.readOnly ? ' -c default_transaction_read_only=on' : ''}`,
    types: { getTypeParser: parserOf(driver.types) },
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', () => undefined);
  const server = new Server(pool, shown, options);
  try {
    if (!options.readOnly) await server.prepare(schema);
  } catch (error) {
    await pool.end();
    throw server.translate(error);
  }
  const all = async <R>(sql: string, params: readonly Value[] = []): Promise<R[]> => {
    try {
      const result = await server.patiently(() => pool.query(sql, parametersOf(params)));
      return result.rows as R[];
    } catch (error) {
      throw server.translate(error);
    }
  };
  let tail: Promise<unknown> = Promise.resolve();
  return {
    dialect: 'postgres',
    address: shown,
    all,
    run: () =>
      Promise.reject(
        new FiducialError(
          'store.internal',
          'A write outside of a transaction.',
          'Report this as a fault of the store.',
        ),
      ),
    transaction<T>(body: (tx: Connection) => Promise<T>): Promise<T> {
      const turn = tail.then(() => server.write(body));
      tail = turn.catch(() => undefined);
      return turn;
    },
    async nowMs(tx) {
      if (options.now !== undefined) return options.now();
      const rows = await tx.all<{ now: number }>(
        'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
      );
      return rows[0]!.now;
    },
    compact: () => Promise.resolve(),
    check: () => Promise.resolve([]),
    async close() {
      await tail;
      await pool.end();
    },
  };
}

/** What may still succeed when it is tried again. */
type Failure = 'gone' | 'conflict' | 'final';

interface Attempt<T> {
  /** Which transaction of this writer it is. */
  readonly number: number;
  readonly body: (tx: Connection) => Promise<T>;
  /** What it gave, once its commit was sent: it may have taken place. */
  uncertain?: { readonly result: T };
}

class Server {
  readonly #pool: pg.Pool;
  readonly #shown: string;
  readonly #options: PostgresOptions;
  readonly #begin: string;
  readonly #writer = randomUUID();
  #transactions = 0;

  constructor(pool: pg.Pool, shown: string, options: PostgresOptions) {
    this.#pool = pool;
    this.#shown = shown;
    this.#options = options;
    this.#begin =
      `BEGIN; SET LOCAL lock_timeout = ${Math.ceil(options.lockTimeoutMs)}; ` +
      `SET LOCAL synchronous_commit = ${options.durability === 'power' ? 'on' : 'local'}; ` +
      `SELECT pg_advisory_xact_lock(hashtext('fiducial'), hashtext(current_schema())); `;
  }

  async prepare(schema: string): Promise<void> {
    await this.patiently(() =>
      this.#pool.query(
        `CREATE SCHEMA IF NOT EXISTS ${schema};
         CREATE TABLE IF NOT EXISTS writer (id TEXT PRIMARY KEY, transaction BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now());
         DELETE FROM writer WHERE at < now() - interval '30 days'`,
      ),
    );
  }

  async write<T>(body: (tx: Connection) => Promise<T>): Promise<T> {
    const attempt: Attempt<T> = { number: ++this.#transactions, body };
    try {
      return await this.patiently(() => this.#attempt(attempt));
    } catch (error) {
      throw this.translate(error);
    }
  }

  async #attempt<T>(attempt: Attempt<T>): Promise<T> {
    const client = await this.#pool.connect();
    // A server that is killed breaks the connection between two queries too; the query that follows reports it.
    const ignore = () => undefined;
    client.on('error', ignore);
    let broken: Error | undefined;
    const mark = `INSERT INTO writer (id, transaction) VALUES ('${this.#writer}', ${attempt.number})
      ON CONFLICT (id) DO UPDATE SET transaction = excluded.transaction, at = now()`;
    try {
      if (attempt.uncertain === undefined) await client.query(this.#begin + mark);
      else {
        // With the lock in hand, the transaction in question is over, one way or the other.
        await client.query(this.#begin);
        const { rows } = await client.query<{ transaction: number }>('SELECT transaction FROM writer WHERE id = $1', [
          this.#writer,
        ]);
        if (rows[0]?.transaction === attempt.number) {
          await client.query('ROLLBACK');
          return attempt.uncertain.result;
        }
        await client.query(mark);
      }
      const result = await attempt.body({
        all: async <R = Row>(sql: string, params: readonly Value[] = []) =>
          (await client.query(sql, parametersOf(params))).rows as R[],
        run: async (sql, params = []) => (await client.query(sql, parametersOf(params))).rowCount ?? 0,
      });
      attempt.uncertain = { result };
      await client.query('COMMIT');
      return result;
    } catch (error) {
      if (failureOf(error) === 'gone') broken = error as Error;
      else await client.query('ROLLBACK').catch((rollback: Error) => (broken = rollback));
      throw error;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
  }

  /** Tries again while the server is gone, or while it asks for that (a deadlock, a serialisation failure). */
  async patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const started = performance.now();
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      try {
        return await attempt();
      } catch (error) {
        if (failureOf(error) === 'final') throw error;
        if (performance.now() - started > this.#options.reconnectTimeoutMs) throw error;
        await pause(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  translate(error: unknown): unknown {
    if (error instanceof FiducialError) return error;
    const because = { cause: error };
    const text = error instanceof Error ? error.message : String(error);
    const code = codeOf(error);
    if (failureOf(error) === 'gone') {
      return new FiducialError(
        'store.unreachable',
        `The store ${this.#shown} has not answered for ${this.#options.reconnectTimeoutMs / 1000} s: ${text || code}`,
        'Start the server or the network, then run the same command again: what was recorded is kept and is not repeated.',
        because,
      );
    }
    if (code.startsWith('53')) {
      return new FiducialError(
        'store.full',
        `The server of ${this.#shown} takes no more: ${text}`,
        'Free some space or connections there, then run the same command again: what was recorded is kept.',
        because,
      );
    }
    if (code === '55P03') {
      return new FiducialError(
        'store.locked',
        `Another client has held the store ${this.#shown} locked for ${this.#options.lockTimeoutMs / 1000} s.`,
        'Run the same command again; if it persists, look for a long transaction in pg_stat_activity.',
        because,
      );
    }
    if (code.startsWith('28')) {
      return new FiducialError(
        'store.access',
        `${this.#shown} refuses this user or password: ${text}`,
        'Correct the address, or set PGPASSWORD.',
        because,
      );
    }
    if (code === '3D000') {
      return new FiducialError(
        'store.missing-database',
        `${this.#shown}: ${text}`,
        'Make the database (createdb), or correct the address.',
        because,
      );
    }
    if (code === '25006' || code === '42501') {
      return new FiducialError(
        'store.unwritable',
        `${this.#shown} cannot be written to: ${text}`,
        'Use a user who may write to this schema.',
        because,
      );
    }
    if (code.startsWith('XX') || code.startsWith('58')) {
      return new FiducialError(
        'store.corrupt',
        `The server of ${this.#shown} reports damage: ${text}`,
        "Look into the server's log.",
        because,
      );
    }
    if (code !== '')
      return new FiducialError(
        'store.failed',
        `PostgreSQL failed on ${this.#shown}: ${text} (${code})`,
        'Run fiducial doctor; what was recorded before is kept.',
        because,
      );
    return error;
  }
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
// Shutting down, crashed, starting up, cut off for being idle in a transaction.
const goneStates = new Set(['57P01', '57P02', '57P03', '25P03']);

function failureOf(error: unknown): Failure {
  if (error instanceof AggregateError)
    return error.errors.some((inner) => failureOf(inner) === 'gone') ? 'gone' : 'final';
  if (!(error instanceof Error)) return 'final';
  const code = codeOf(error);
  if (networkCodes.has(code) || goneStates.has(code) || code.startsWith('08')) return 'gone';
  if (code === '40001' || code === '40P01') return 'conflict';
  // Two processes that make the schema or its first table at once.
  if (code === '42P06' || code === '42P07') return 'conflict';
  if (code === '23505' && error.message.includes('"pg_')) return 'conflict';
  // The driver's own words for a broken connection carry no code.
  if (
    code === '' &&
    /connection (terminated|ended)|timeout exceeded when trying to connect|not queryable|Connection terminated/i.test(
      error.message,
    )
  )
    return 'gone';
  return 'final';
}

/** Rows hold numbers: sequence numbers and times stay far below 2^53. */
function parserOf(types: typeof pg.types): typeof pg.types.getTypeParser {
  return (type, format) => (type === types.builtins.INT8 ? Number : types.getTypeParser(type, format));
}

function parametersOf(params: readonly Value[]): (string | number | null | Buffer)[] {
  return params.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value,
  );
}

function parseAddress(address: string): { url: string; schema: string; shown: string } {
  let url: URL;
  try {
    url = new URL(address);
  } catch (error) {
    // The address may hold a password, and is not shown.
    throw new FiducialError(
      'store.bad-address',
      'The address of the PostgreSQL store is not a URL.',
      'Write postgres://user@host:5432/database?schema=name',
      { cause: (error as Error).name },
    );
  }
  const schema = url.searchParams.get('schema') ?? 'fiducial';
  if (!schemaPattern.test(schema)) {
    throw new FiducialError(
      'store.bad-address',
      `${show(schema)} is not a schema's name.`,
      'Use lower-case letters, digits and underscores.',
    );
  }
  url.searchParams.delete('schema');
  const shown = new URL(url);
  shown.password = '';
  for (const name of shown.searchParams.keys()) if (/pass|key|secret/i.test(name)) shown.searchParams.delete(name);
  return { url: url.toString(), schema, shown: `${shown.href}${schema === 'fiducial' ? '' : `#${schema}`}` };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
