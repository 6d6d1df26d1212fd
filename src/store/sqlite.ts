/**
 * SQLite through libsql: one file in write-ahead mode, which several processes read and write.
 *
 * Two connections: one for the serialised write transactions, one for readers, who see what was committed and never
 * half of a transaction. The driver is synchronous, so a lock held elsewhere is waited for in short tries between which
 * the event loop runs. Needs a local disk: SQLite's locks don't hold on network file systems.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Libsql from 'libsql';
import { FiducialError } from '../core/errors.ts';
import type { Connection, Database, Row, Value } from './database.ts';

export interface SqliteOptions {
  readonly lockTimeoutMs: number;
  readonly durability: 'process' | 'power';
  readonly readOnly: boolean;
  readonly now: () => number;
}

// Long enough that a short transaction elsewhere ends in it, short enough that the event loop doesn't starve.
const busyTimeoutMs = 20;
const preparedStatements = 256;

/** Opens `store.db` in `folder`, and makes both unless `readOnly`. */
export async function openSqlite(folder: string, options: SqliteOptions): Promise<Database> {
  const file = join(folder, 'store.db');
  if (options.readOnly) {
    if (!existsSync(file)) {
      throw new FiducialError(
        'store.missing-database',
        `There is no store at ${file}.`,
        'Name the folder that holds store.db, or run something first.',
      );
    }
  } else makeFolder(folder);
  const words = new Words(file, options.lockTimeoutMs);
  const prepare = (connection: Handle) => {
    connection.pragma('journal_mode=WAL');
    connection.pragma(`synchronous=${options.durability === 'power' ? 'FULL' : 'NORMAL'}`);
    // Purged text must be gone from the file too, not only from the tables.
    connection.pragma('secure_delete=ON');
    connection.pragma('cache_size=-16000');
    connection.pragma('wal_autocheckpoint=8000');
  };
  const writer = await words.patiently(() => Handle.open(file, options.readOnly ? undefined : prepare));
  const reader = await words.patiently(() => Handle.open(file, undefined));
  reader.pragma('query_only=ON');
  if (options.readOnly) writer.pragma('query_only=ON');

  let tail: Promise<unknown> = Promise.resolve();
  return {
    dialect: 'sqlite',
    address: folder,
    all: async <R = Row>(sql: string, params: readonly Value[] = []) =>
      words.patiently(() => reader.all<R>(sql, params)),
    run: () =>
      Promise.reject(
        new FiducialError(
          'store.internal',
          'A write outside of a transaction.',
          'Report this as a fault of the store.',
        ),
      ),
    transaction<T>(body: (tx: Connection) => Promise<T>): Promise<T> {
      const turn = tail.then(() => write(writer, words, body));
      tail = turn.catch(() => undefined);
      return turn;
    },
    nowMs: async () => options.now(),
    async compact() {
      await tail;
      // The log still holds deleted text until it is written back; a reader elsewhere may make it wait for the next time.
      await words.patiently(() => writer.pragma('wal_checkpoint(TRUNCATE)'));
    },
    async check() {
      const rows = await words.patiently(() => reader.all<{ integrity_check: string }>('PRAGMA integrity_check', []));
      return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
    },
    async close() {
      await tail;
      reader.close();
      writer.close();
    },
  };
}

async function write<T>(writer: Handle, words: Words, body: (tx: Connection) => Promise<T>): Promise<T> {
  await words.patiently(() => writer.exec('BEGIN IMMEDIATE'));
  try {
    const result = await body({
      all: async <R = Row>(sql: string, params: readonly Value[] = []) => writer.all<R>(sql, params),
      run: async (sql, params = []) => writer.run(sql, params),
    });
    writer.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has already rolled back after some errors (a full disk), and then says so.
    if (writer.inTransaction()) writer.exec('ROLLBACK');
    throw words.translate(error);
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    if (!statSync(folder).isDirectory()) throw new Error('it is a file');
  } catch (error) {
    throw new FiducialError(
      'store.unwritable',
      `The folder ${folder} cannot be made: ${messageOf(error)}`,
      'Name a folder that you may write to (--store).',
      { cause: error },
    );
  }
}

/** One connection with its prepared statements. */
class Handle {
  readonly #database: Libsql.Database;
  readonly #statements = new Map<string, Libsql.Statement>();

  constructor(database: Libsql.Database) {
    this.#database = database;
  }

  static open(file: string, prepare: ((handle: Handle) => void) | undefined): Handle {
    const handle = new Handle(new Libsql(file, { timeout: busyTimeoutMs }));
    try {
      prepare?.(handle);
    } catch (error) {
      handle.close();
      throw error;
    }
    return handle;
  }

  // Not `get`, which adds a property of its own to the row.
  all<R>(sql: string, params: readonly Value[]): R[] {
    return this.#prepared(sql).all(params) as R[];
  }

  run(sql: string, params: readonly Value[]): number {
    return this.#prepared(sql).run(params).changes;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  pragma(text: string): unknown {
    return this.#database.pragma(text);
  }

  inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepared(sql: string): Libsql.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= preparedStatements) this.#statements.delete(this.#statements.keys().next().value!);
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** SQLite's codes in the store's words, and the patience with a lock. */
class Words {
  readonly #file: string;
  readonly #lockTimeoutMs: number;

  constructor(file: string, lockTimeoutMs: number) {
    this.#file = file;
    this.#lockTimeoutMs = lockTimeoutMs;
  }

  async patiently<T>(attempt: () => T): Promise<T> {
    const started = performance.now();
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
      try {
        return attempt();
      } catch (error) {
        const code = codeOf(error);
        const isBusy = code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED');
        if (!isBusy || performance.now() - started > this.#lockTimeoutMs) throw this.translate(error);
        // A random share keeps two waiting processes from meeting again and again.
        await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
      }
    }
  }

  translate(error: unknown): unknown {
    if (error instanceof FiducialError) return error;
    const code = codeOf(error);
    const because = { cause: error };
    if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
      return new FiducialError(
        'store.locked',
        `Another process has held the store ${this.#file} locked for ${this.#lockTimeoutMs / 1000} s.`,
        'End or continue the process that is stopped in the middle of a write, then run this again: nothing recorded was lost.',
        because,
      );
    }
    if (
      code.startsWith('SQLITE_FULL') ||
      code === 'SQLITE_IOERR_WRITE' ||
      code === 'SQLITE_IOERR_SHMSIZE' ||
      code === 'SQLITE_IOERR_FSYNC'
    ) {
      return new FiducialError(
        'store.full',
        `The disk that holds ${this.#file} takes no more bytes.`,
        'Free some space (fiducial gc, fiducial purge) and run the same command again: what was recorded is kept and is not repeated.',
        because,
      );
    }
    if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) {
      return new FiducialError(
        'store.corrupt',
        `${this.#file} is damaged or is not a store: ${messageOf(error)}`,
        'Restore the folder from a copy, or import the runs that were exported.',
        because,
      );
    }
    if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_PERM')) {
      return new FiducialError(
        'store.unwritable',
        `${this.#file} cannot be opened for writing: ${messageOf(error)}`,
        'Check who owns the folder, or name another one (--store).',
        because,
      );
    }
    if (code.startsWith('SQLITE_')) {
      return new FiducialError(
        'store.failed',
        `SQLite failed on ${this.#file}: ${messageOf(error)} (${code})`,
        'Run fiducial doctor; what was recorded before is kept.',
        because,
      );
    }
    return error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
