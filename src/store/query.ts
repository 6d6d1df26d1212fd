/**
 * Lists with filters and pages: runs, trials, events. Pages continue from a key, so that a deep page costs what the
 * first one does and rows that arrive meanwhile move nothing.
 *
 * The only SQL that is put together at run time; values go in as parameters, and columns come from constants here.
 */
import { FiducialError, show } from '../core/errors.ts';
import type { Json } from '../core/values.ts';
import { type Connection, placeholders, type Value } from './database.ts';
import { toRef } from './json.ts';
import type {
  EventQuery,
  Page,
  RunInfo,
  RunQuery,
  RunSpec,
  RunStatus,
  StoredEvent,
  Trial,
  TrialCounts,
  TrialQuery,
} from './store.ts';

const defaultLimit = 50;
const largestLimit = 10_000;
const eventLimit = 1_000;

/** Conditions and their parameters, numbered as they come. */
class Where {
  readonly params: Value[] = [];
  readonly #conditions: string[] = [];

  /** `add('status = ?', 'done')`: each `?` becomes the next parameter. */
  add(condition: string, ...values: readonly Value[]): void {
    let next = this.params.length;
    this.params.push(...values);
    this.#conditions.push(condition.replaceAll('?', () => `$${++next}`));
  }

  anyOf(column: string, values: readonly string[]): void {
    this.#conditions.push(`${column} IN (${placeholders(this.params.length + 1, values.length)})`);
    this.params.push(...values);
  }

  /** Text that occurs in one of the columns, in any case. */
  contains(columns: readonly string[], text: string): void {
    const pattern = `%${text.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`;
    this.add(
      `(${columns.map((column) => `lower(${column}) LIKE ? ESCAPE '\\'`).join(' OR ')})`,
      ...columns.map(() => pattern),
    );
  }

  get sql(): string {
    return this.#conditions.length === 0 ? '' : `WHERE ${this.#conditions.join(' AND ')}`;
  }
}

export interface RunRow {
  readonly number: number;
  readonly id: string;
  readonly identity: string;
  readonly spec: string;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly last_seq: number;
  readonly measured: number;
  readonly undetermined: number;
  readonly error: number;
  readonly calls: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: number;
}

export const runColumns =
  'number, id, identity, spec, status, reason, created_at, updated_at, last_seq, measured, undetermined, error, calls, input_tokens, output_tokens, cost_usd';

export function toRunInfo(row: RunRow): RunInfo {
  return {
    id: row.id,
    spec: JSON.parse(row.spec) as RunSpec,
    status: row.status,
    ...(row.reason === null ? {} : { reason: row.reason }),
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    lastSeq: row.last_seq,
    trials: { measured: row.measured, undetermined: row.undetermined, error: row.error },
    usage: { calls: row.calls, inputTokens: row.input_tokens, outputTokens: row.output_tokens, costUsd: row.cost_usd },
  };
}

export async function listRuns(database: Connection, query: RunQuery): Promise<Page<RunInfo>> {
  const where = new Where();
  if (query.method?.endsWith('/') === true) {
    // A range, and not a pattern, so that an index could serve it and no character is special.
    where.add('method >= ? AND method < ?', query.method, `${query.method.slice(0, -1)}0`);
  } else if (query.method !== undefined) where.add('method = ?', query.method);
  if (query.status !== undefined) where.anyOf('status', [query.status].flat());
  if (query.parent === null) where.add('parent IS NULL');
  else if (query.parent !== undefined) where.add('parent = ?', query.parent);
  for (const word of query.text?.split(/\s+/).filter((word) => word !== '') ?? []) where.contains(['search'], word);
  if (query.createdAfterMs !== undefined) where.add('created_at > ?', query.createdAfterMs);
  if (query.createdBeforeMs !== undefined) where.add('created_at < ?', query.createdBeforeMs);
  const total = await count(database, 'run', where);
  const direction = query.order === 'oldest' ? 'ASC' : 'DESC';
  if (query.cursor !== undefined) {
    const [createdAt, number] = readCursor(query.cursor, ['number', 'number']);
    where.add(`(created_at, number) ${direction === 'ASC' ? '>' : '<'} (?, ?)`, createdAt, number);
  }
  const limit = limitOf(query.limit);
  const rows = await database.all<RunRow>(
    `SELECT ${runColumns} FROM run ${where.sql} ORDER BY created_at ${direction}, number ${direction} LIMIT ${limit + 1}${offsetOf(query.offset)}`,
    where.params,
  );
  return page(rows, limit, total, toRunInfo, (row) => [row.created_at, row.number]);
}

interface TrialRow {
  readonly seq: number;
  readonly layer: string;
  readonly set_name: string;
  readonly item: string;
  readonly cluster: string | null;
  readonly status: Trial['status'];
  readonly value: number | null;
  readonly why: string | null;
  readonly transcript: string | null;
}

function toTrial(row: TrialRow): Trial {
  const common = {
    seq: row.seq,
    set: row.set_name,
    layer: row.layer,
    item: row.item,
    ...(row.cluster === null ? {} : { cluster: row.cluster }),
    ...(row.transcript === null ? {} : { transcript: toRef(row.transcript) }),
  };
  if (row.status !== 'measured') return { ...common, status: row.status, why: row.why ?? '' };
  return { ...common, status: row.status, value: row.value!, ...(row.why === null ? {} : { why: row.why }) };
}

// Trials without a value come last; -1e308 is below every value that JSON can hold but one.
const valueOrder = 'coalesce(value, -1e308)';

export async function listTrials(database: Connection, run: number, query: TrialQuery): Promise<Page<Trial>> {
  const where = new Where();
  where.add('run = ? AND layer = ?', run, query.layer ?? '');
  if (query.set !== undefined) where.add('set_name = ?', query.set);
  if (query.status !== undefined) where.anyOf('status', [query.status].flat());
  if (query.cluster !== undefined) where.add('cluster = ?', query.cluster);
  if (query.text !== undefined && query.text !== '') where.contains(['item', "coalesce(why, '')"], query.text);
  if (query.minValue !== undefined) where.add('value >= ?', query.minValue);
  if (query.maxValue !== undefined) where.add('value <= ?', query.maxValue);
  const total = await count(database, 'trial', where);
  const limit = limitOf(query.limit);
  const columns = 'seq, layer, set_name, item, cluster, status, value, why, transcript';
  const select = (order: string) =>
    `SELECT ${columns} FROM trial ${where.sql} ORDER BY ${order} LIMIT ${limit + 1}${offsetOf(query.offset)}`;
  const order = query.order ?? 'recorded';
  if (order === 'recorded') {
    if (query.cursor !== undefined) where.add('seq > ?', readCursor(query.cursor, ['number'])[0]);
    const rows = await database.all<TrialRow>(select('seq'), where.params);
    return page(rows, limit, total, toTrial, (row) => [row.seq]);
  }
  if (order === 'item') {
    if (query.cursor !== undefined)
      where.add('(item, seq) > (?, ?)', ...readCursor(query.cursor, ['string', 'number']));
    const rows = await database.all<TrialRow>(select('item, seq'), where.params);
    return page(rows, limit, total, toTrial, (row) => [row.item, row.seq]);
  }
  if (query.cursor !== undefined) {
    const [value, seq] = readCursor(query.cursor, ['number', 'number']);
    where.add(`(${valueOrder} < ? OR (${valueOrder} = ? AND seq > ?))`, value, value, seq);
  }
  const rows = await database.all<TrialRow>(select(`${valueOrder} DESC, seq`), where.params);
  return page(rows, limit, total, toTrial, (row) => [row.value ?? -1e308, row.seq]);
}

export async function getTrial(database: Connection, run: number, key: string): Promise<Trial | undefined> {
  const rows = await database.all<TrialRow>(
    `SELECT trial.seq, layer, set_name, item, cluster, status, value, why, transcript FROM event
     JOIN trial ON trial.seq = event.seq WHERE event.run = $1 AND kind = 'trial' AND key = $2`,
    [run, key],
  );
  return rows[0] === undefined ? undefined : toTrial(rows[0]);
}

export async function countTrials(
  database: Connection,
  run: number,
  layer: string,
): Promise<{ [set: string]: TrialCounts }> {
  const rows = await database.all<{ set_name: string; status: Trial['status']; n: number }>(
    'SELECT set_name, status, count(*) AS n FROM trial WHERE run = $1 AND layer = $2 GROUP BY set_name, status',
    [run, layer],
  );
  const counts = new Map<string, TrialCounts>();
  for (const row of rows) {
    counts.set(row.set_name, {
      ...(counts.get(row.set_name) ?? { measured: 0, undetermined: 0, error: 0 }),
      [row.status]: row.n,
    });
  }
  return Object.fromEntries(counts);
}

interface EventRow {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  readonly kind: string;
  readonly key: string | null;
  readonly data: string;
}

/** The indexes know which kinds come rarely; a query for those must say so in the index's own words. */
export const rareKinds = "kind NOT IN ('trial', 'call', 'step')";
const frequent = new Set(['trial', 'call', 'step']);

export async function listEvents(database: Connection, query: EventQuery, run?: number): Promise<StoredEvent[]> {
  const where = new Where();
  if (run !== undefined) where.add('event.run = ?', run);
  if (query.kinds !== undefined) {
    where.anyOf('kind', query.kinds);
    if (run !== undefined && !query.kinds.some((kind) => frequent.has(kind))) where.add(rareKinds);
  }
  if (query.after !== undefined) where.add('seq > ?', query.after);
  const limit = Math.min(query.limit ?? eventLimit, largestLimit);
  const rows = await database.all<EventRow>(
    `SELECT seq, run.id AS id, at, kind, key, data FROM event JOIN run ON run.number = event.run ${where.sql} ORDER BY seq LIMIT ${limit}`,
    where.params,
  );
  return rows.map(toEvent);
}

export async function getEvent(
  database: Connection,
  run: number,
  runId: string,
  kind: string,
  key: string,
): Promise<StoredEvent | undefined> {
  const rows = await database.all<Omit<EventRow, 'id' | 'kind' | 'key'>>(
    'SELECT seq, at, data FROM event WHERE run = $1 AND kind = $2 AND key = $3',
    [run, kind, key],
  );
  return rows[0] === undefined ? undefined : toEvent({ ...rows[0], id: runId, kind, key });
}

function toEvent(row: EventRow): StoredEvent {
  return {
    seq: row.seq,
    run: row.id,
    atMs: row.at,
    kind: row.kind,
    ...(row.key === null ? {} : { key: row.key }),
    data: JSON.parse(row.data) as Json,
  };
}

async function count(database: Connection, table: string, where: Where): Promise<number> {
  const rows = await database.all<{ n: number }>(`SELECT count(*) AS n FROM ${table} ${where.sql}`, where.params);
  return rows[0]!.n;
}

function page<R, T>(
  rows: readonly R[],
  limit: number,
  total: number,
  map: (row: R) => T,
  keyOf: (row: R) => Json,
): Page<T> {
  const shown = rows.slice(0, limit);
  const next =
    rows.length > limit ? { next: Buffer.from(JSON.stringify(keyOf(shown.at(-1)!))).toString('base64url') } : {};
  return { items: shown.map(map), total, ...next };
}

function readCursor(cursor: string, types: readonly ('number' | 'string')[]): [Value, Value] {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(key) && key.length === types.length && key.every((part, i) => typeof part === types[i])) {
      return key as [Value, Value];
    }
  } catch {
    // Reported below with the cursor itself.
  }
  throw new FiducialError(
    'store.bad-cursor',
    `${show(cursor)} is not a cursor of this list.`,
    'Pass the `next` of the page before, with the same order.',
  );
}

function offsetOf(offset: number | undefined): string {
  if (offset === undefined) return '';
  if (Number.isSafeInteger(offset) && offset >= 0) return ` OFFSET ${offset}`;
  throw new FiducialError('store.bad-offset', `${show(offset)} entries cannot be passed over.`, 'Give 0 or more.');
}

function limitOf(limit: number | undefined): number {
  const value = limit ?? defaultLimit;
  if (Number.isInteger(value) && value >= 1 && value <= largestLimit) return value;
  throw new FiducialError(
    'store.bad-limit',
    `A page of ${show(limit)} entries is not possible.`,
    `Ask for 1 to ${largestLimit}.`,
  );
}
