/**
 * Leases with fencing tokens, after Kleppmann, "How to do distributed locking" (2016).
 *
 * A lease is judged by the server's clock where there is one. Its token grows with every change of owner and is checked
 * in the transaction of each write that is made under it, so a worker that slept through its lease can do no harm. The
 * row stays after a release, so that a token never comes twice.
 */
import { FiducialError } from '../core/errors.ts';
import { fencedBy } from './commit.ts';
import type { Connection, Database } from './database.ts';
import { cleanName, type Redact } from './json.ts';
import type { Lease, Leases } from './store.ts';

interface LeaseRow {
  readonly name: string;
  readonly owner: string;
  readonly token: number;
  readonly expires_at: number;
  readonly released: number;
}

export class LeaseStore implements Leases {
  readonly #database: Database;
  readonly #redact: Redact | undefined;

  constructor(database: Database, redact: Redact | undefined) {
    this.#database = database;
    this.#redact = redact;
  }

  async acquire(name: string, owner: string, durationMs: number): Promise<Lease | undefined> {
    const cleanLease = cleanName('The lease', name, this.#redact);
    const cleanOwner = cleanName("The lease's owner", owner, this.#redact);
    checkDuration(durationMs);
    return await this.#database.transaction(async (tx) => {
      const nowMs = await this.#database.nowMs(tx);
      const row = await rowOf(tx, cleanLease);
      const isHeld = row !== undefined && row.released === 0 && row.expires_at > nowMs;
      if (isHeld && row.owner !== cleanOwner) return undefined;
      // The same owner asking again is a new claim too: an older self of that name may be frozen somewhere.
      const lease = {
        name: cleanLease,
        owner: cleanOwner,
        token: (row?.token ?? 0) + 1,
        expiresAtMs: nowMs + durationMs,
      };
      await tx.run(
        `INSERT INTO lease (name, owner, token, expires_at, released) VALUES ($1, $2, $3, $4, 0)
         ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = excluded.token, expires_at = excluded.expires_at, released = 0`,
        [lease.name, lease.owner, lease.token, lease.expiresAtMs],
      );
      return lease;
    });
  }

  async renew(lease: Lease, durationMs: number): Promise<Lease> {
    checkDuration(durationMs);
    return await this.#database.transaction(async (tx) => {
      const row = await rowOf(tx, lease.name);
      const refusal = fencedBy(lease, row?.released === 0 ? row.token : undefined);
      if (refusal !== undefined) throw refusal;
      const expiresAtMs = (await this.#database.nowMs(tx)) + durationMs;
      await tx.run('UPDATE lease SET expires_at = $1 WHERE name = $2', [expiresAtMs, lease.name]);
      return { ...lease, expiresAtMs };
    });
  }

  async release(lease: Lease): Promise<void> {
    await this.#database.transaction((tx) =>
      tx.run('UPDATE lease SET released = 1 WHERE name = $1 AND token = $2', [lease.name, lease.token]),
    );
  }

  async get(name: string): Promise<Lease | undefined> {
    const row = await rowOf(this.#database, name);
    return row === undefined || row.released === 1 ? undefined : toLease(row);
  }

  async list(prefix: string, options: { readonly expired?: boolean } = {}): Promise<readonly Lease[]> {
    const nowMs = await this.#database.nowMs(this.#database);
    const rows = await this.#database.all<LeaseRow>(
      `SELECT name, owner, token, expires_at, released FROM lease WHERE released = 0 AND substr(name, 1, $1) = $2 ORDER BY name`,
      [[...prefix].length, prefix],
    );
    return rows
      .filter((row) => options.expired === undefined || row.expires_at <= nowMs === options.expired)
      .map(toLease);
  }
}

async function rowOf(connection: Connection, name: string): Promise<LeaseRow | undefined> {
  const rows = await connection.all<LeaseRow>(
    'SELECT name, owner, token, expires_at, released FROM lease WHERE name = $1',
    [name],
  );
  return rows[0];
}

function toLease(row: LeaseRow): Lease {
  return { name: row.name, owner: row.owner, token: row.token, expiresAtMs: row.expires_at };
}

function checkDuration(durationMs: number): void {
  if (Number.isInteger(durationMs) && durationMs > 0) return;
  throw new FiducialError(
    'store.bad-duration',
    `A lease of ${durationMs} ms is not possible.`,
    'Give a positive whole number of milliseconds.',
  );
}
