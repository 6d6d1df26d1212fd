/**
 * The port between the store and its two engines: SQL text, rows, and write transactions one at a time.
 *
 * The store's SQL is one text for both dialects: `$1`, `$2` in order of first use, `ON CONFLICT`, no JSON functions. A
 * query builder was measured against that: importing Kysely costs 60 to 180 ms of a command's start, and the only
 * dynamic parts are two WHERE clauses. Writers are serialised (BEGIN IMMEDIATE; an advisory lock), which gives the log
 * one order that a reader of its tail can trust.
 */
import { FiducialError } from '../core/errors.ts';

export type Value = string | number | null | Uint8Array;
export type Row = Record<string, unknown>;

export interface Connection {
  /** Rows of a query; numbers are numbers, bytes are read with {@link bytesOf}. */
  all<R = Row>(sql: string, params?: readonly Value[]): Promise<R[]>;
  /** Rows changed by a statement. */
  run(sql: string, params?: readonly Value[]): Promise<number>;
}

export interface Database extends Connection {
  readonly dialect: 'sqlite' | 'postgres';
  readonly address: string;
  /**
   * Runs `body` as the only writer and commits. Tried again from the start while another process holds the lock or the
   * server is gone, so `body` must have no effect outside of its connection until it resolved.
   */
  transaction<T>(body: (tx: Connection) => Promise<T>): Promise<T>;
  /** The clock that leases are judged by: the server's where there is one. */
  nowMs(tx: Connection): Promise<number>;
  /** Moves what was deleted out of the files where that is not done by itself. */
  compact(): Promise<void>;
  /** Faults of the database's own files. */
  check(): Promise<string[]>;
  close(): Promise<void>;
}

// Statements are prepared per text, so rows go in by a few sizes of chunk and not by every number.
const chunkSizes = [256, 64, 16, 4, 1] as const;

/**
 * Inserts rows in as few statements as possible; returns how many were inserted (fewer with `DO NOTHING`).
 *
 * @example await insertRows(tx, 'pin (name, ref)', [['weights', hex]], 'ON CONFLICT DO NOTHING');
 */
export async function insertRows(
  tx: Connection,
  target: string,
  rows: readonly (readonly Value[])[],
  conflict = '',
): Promise<number> {
  let inserted = 0;
  let at = 0;
  for (const size of chunkSizes) {
    while (rows.length - at >= size) {
      const width = rows[at]!.length;
      const params: Value[] = [];
      for (let i = at; i < at + size; i++) params.push(...rows[i]!);
      inserted += await tx.run(insertText(target, width, size, conflict), params);
      at += size;
    }
  }
  return inserted;
}

/** A list cut into the same few sizes, the last part filled up with repetitions; for IN. */
export function* inChunks<T>(values: readonly T[]): Iterable<T[]> {
  for (let at = 0; at < values.length; at += chunkSizes[0]) {
    const part = values.slice(at, at + chunkSizes[0]);
    const size = chunkSizes.findLast((size) => size >= part.length)!;
    yield [...part, ...Array.from({ length: size - part.length }, () => part[0]!)];
  }
}

const insertTexts = new Map<string, string>();

function insertText(target: string, width: number, size: number, conflict: string): string {
  const id = `${size}|${target}|${conflict}`;
  let text = insertTexts.get(id);
  if (text === undefined) {
    const tuples = Array.from({ length: size }, (_, row) => {
      return `(${Array.from({ length: width }, (_, column) => `$${row * width + column + 1}`).join(',')})`;
    });
    text = `INSERT INTO ${target} VALUES ${tuples.join(',')} ${conflict}`;
    insertTexts.set(id, text);
  }
  return text;
}

/** Bytes of a column: the two drivers give ArrayBuffer and Buffer. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Uint8Array) return value;
  throw new FiducialError(
    'store.corrupt',
    'A column that should hold bytes holds something else.',
    'Restore the store from a copy.',
  );
}

/** `$n, $n+1, ...` for an IN list; the parameters must be pushed by the caller. */
export function placeholders(first: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `$${first + i}`).join(',');
}
