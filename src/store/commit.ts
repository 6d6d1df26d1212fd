/**
 * Group commit: writes that come together share one transaction, in the order in which they came.
 *
 * A write waits for at most the transaction before it. Each event is fenced against its lease, numbered, written once
 * by its key, and projected into the derived tables; one refused event does not harm its neighbours. A promise resolves
 * after the commit and never before.
 */
import { FiducialError } from '../core/errors.ts';
import type { Json } from '../core/values.ts';
import type { ArtefactWrite } from './artefact-write.ts';
import { type Connection, type Database, inChunks, insertRows, placeholders, type Value } from './database.ts';
import { columnText, hexOf } from './json.ts';
import { addTotals, measuredValue, noTotals, type Projection, project, type Totals } from './project.ts';
import type { Lease, RunStatus, StoredEvent } from './store.ts';

export interface EventWrite {
  readonly run: number;
  readonly runId: string;
  readonly kind: string;
  readonly key: string | undefined;
  readonly data: Json;
  readonly atMs: number;
  readonly lease?: Lease | undefined;
  /** Bytes that the event refers to, written in its transaction. */
  readonly artefacts?: readonly ArtefactWrite[] | undefined;
  /** How long the write may wait for others to share its transaction with. */
  readonly patienceMs?: number | undefined;
}
export interface CacheWrite {
  readonly scope: string;
  readonly key: string;
  readonly value: string;
  readonly atMs: number;
  readonly expiresAtMs: number | null;
}

type Write =
  | { readonly type: 'artefact'; readonly write: ArtefactWrite }
  | { readonly type: 'event'; readonly write: EventWrite; readonly text: string }
  | { readonly type: 'cache'; readonly write: CacheWrite };
interface Queued {
  readonly write: Write;
  readonly weight: number;
  readonly resolve: (event: StoredEvent | undefined) => void;
  readonly reject: (error: unknown) => void;
}
type Result = StoredEvent | FiducialError | undefined;

// Short transactions keep other processes moving; beyond this size a larger one is hardly cheaper.
const batchWrites = 2_000;
const batchBytes = 8 * 1024 * 1024;
const chunkBytes = 4 * 1024 * 1024;

export class Committer {
  readonly #database: Database;
  readonly #committed: () => void;
  #queue: Queued[] = [];
  #running: Promise<void> | undefined;
  #patient: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(database: Database, committed: () => void) {
    this.#database = database;
    this.#committed = committed;
  }

  async event(write: EventWrite): Promise<StoredEvent> {
    const text = JSON.stringify(write.data);
    let weight = text.length;
    for (const { bytes } of write.artefacts ?? []) weight += bytes?.length ?? 0;
    return (await this.#enqueue({ type: 'event', write, text }, weight, write.patienceMs))!;
  }

  async artefact(write: ArtefactWrite): Promise<void> {
    await this.#enqueue({ type: 'artefact', write }, write.bytes?.length ?? 0);
  }

  async cache(write: CacheWrite): Promise<void> {
    await this.#enqueue({ type: 'cache', write }, write.value.length);
  }

  /** Resolves when everything that was asked for so far is committed or was rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#begin();
    await this.#running;
  }

  #enqueue(write: Write, weight: number, patienceMs = 0): Promise<StoredEvent | undefined> {
    if (this.#closed) {
      return Promise.reject(
        new FiducialError(
          'store.closed',
          'The store was closed before this write.',
          'Await every write before closing the store.',
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ write, weight, resolve, reject });
      if (patienceMs === 0) this.#begin();
      else if (this.#running === undefined) this.#patient ??= setTimeout(() => this.#begin(), patienceMs);
    });
  }

  #begin(): void {
    clearTimeout(this.#patient);
    this.#patient = undefined;
    this.#running ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // One turn of the event loop, so that everything that is ready now goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#take();
      try {
        const results = await this.#database.transaction((tx) =>
          commitBatch(
            tx,
            batch.map((queued) => queued.write),
          ),
        );
        batch.forEach((queued, i) => {
          const result = results[i];
          if (result instanceof FiducialError) queued.reject(result);
          else queued.resolve(result);
        });
        this.#committed();
      } catch (error) {
        for (const queued of batch) queued.reject(error);
      }
      // Continuations of this batch write the next one: let them come before taking it.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = undefined;
  }

  #take(): Queued[] {
    let count = 0;
    for (let bytes = 0; count < Math.min(this.#queue.length, batchWrites) && bytes < batchBytes; count++) {
      bytes += this.#queue[count]!.weight;
    }
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return batch;
  }
}

/** Writes one batch; the result at i is that of write i: the stored event, or the error that refused it alone. */
export async function commitBatch(tx: Connection, writes: readonly Write[]): Promise<Result[]> {
  const results: Result[] = Array.from({ length: writes.length }, () => undefined);
  const numbers = await writeArtefacts(tx, writes);
  await writeCache(
    tx,
    writes.flatMap((write) => (write.type === 'cache' ? [write.write] : [])),
  );
  const events = writes.flatMap((write, at) => (write.type === 'event' ? [{ ...write, at }] : []));
  if (events.length === 0) return results;

  const tokens = await currentTokens(
    tx,
    events.map((event) => event.write.lease),
  );
  const admitted = events.filter(({ write, at }) => {
    const refusal = write.lease === undefined ? undefined : fencedBy(write.lease, tokens.get(write.lease.name));
    if (refusal !== undefined) results[at] = refusal;
    return refusal === undefined;
  });
  const stored = await writeEvents(
    tx,
    admitted.map((event) => ({ ...event.write, text: event.text })),
    numbers,
  );
  admitted.forEach((event, i) => (results[event.at] = stored[i]));
  return results;
}

/** The error of a lease that is no longer the newest, or undefined. */
export function fencedBy(lease: Lease, token: number | undefined): FiducialError | undefined {
  if (token === lease.token) return undefined;
  return new FiducialError(
    'store.fenced',
    `${lease.owner} holds lease ${lease.name} with token ${lease.token}, but it was taken over (token ${token ?? 'none'}).`,
    'Stop this worker: another one goes on with the work, and nothing of it is lost.',
  );
}

async function currentTokens(tx: Connection, leases: readonly (Lease | undefined)[]): Promise<Map<string, number>> {
  const names = [...new Set(leases.flatMap((lease) => (lease === undefined ? [] : [lease.name])))];
  const tokens = new Map<string, number>();
  for (const name of names) {
    const rows = await tx.all<{ token: number }>('SELECT token FROM lease WHERE name = $1 AND released = 0', [name]);
    if (rows[0] !== undefined) tokens.set(name, rows[0].token);
  }
  return tokens;
}

async function writeArtefacts(tx: Connection, writes: readonly Write[]): Promise<Map<string, number>> {
  // What goes with its event is referred to at once. What comes alone is not yet, and is safe for the time of grace.
  const atMs = Date.now();
  const once = new Map<string, { readonly write: ArtefactWrite; readonly touchedAtMs: number }>();
  const transcripts: Reference[] = [];
  for (const item of writes) {
    const own = item.type === 'artefact' ? [item.write] : item.type === 'event' ? (item.write.artefacts ?? []) : [];
    for (const write of own) {
      const isAlone = item.type === 'artefact' && write.transcriptOf === undefined;
      once.set(write.hex, { write, touchedAtMs: Math.max(isAlone ? atMs : 0, once.get(write.hex)?.touchedAtMs ?? 0) });
      if (write.transcriptOf !== undefined) transcripts.push([write.transcriptOf, write.hex, 'transcript']);
    }
  }
  if (once.size === 0) return new Map();
  const all = [...once.values()];
  for (const { write } of all) write.settle?.();
  await insertRows(
    tx,
    'artefact (ref, size, type, place, bytes, touched_at)',
    all.map(({ write, touchedAtMs }) => [
      write.hex,
      write.size,
      write.type,
      write.place,
      write.place === 'row' ? write.bytes : null,
      touchedAtMs,
    ]),
    // Bytes that come back after a purge are there again.
    `ON CONFLICT (ref) DO UPDATE SET size = excluded.size, type = excluded.type, place = excluded.place, bytes = excluded.bytes, purged_at = NULL,
      touched_at = CASE WHEN excluded.touched_at > artefact.touched_at THEN excluded.touched_at ELSE artefact.touched_at END`,
  );
  const numbers = await numberArtefacts(
    tx,
    all.flatMap(({ write }) => [write.hex, ...write.mentions]),
  );
  for (const { write } of all) {
    if (write.place === 'chunks') await writeChunks(tx, numbers.get(write.hex)!, write.bytes!);
  }
  await insertRows(
    tx,
    'artefact_reference (source, target)',
    all.flatMap(({ write }) => write.mentions.map((hex) => [numbers.get(write.hex)!, numbers.get(hex)!])),
    'ON CONFLICT DO NOTHING',
  );
  await insertReferences(tx, transcripts, numbers);
  return numbers;
}

async function writeChunks(tx: Connection, artefact: number, bytes: Uint8Array): Promise<void> {
  const parts = Math.ceil(bytes.length / chunkBytes);
  const found = await tx.all<{ n: number }>('SELECT count(*) AS n FROM chunk WHERE artefact = $1', [artefact]);
  if (found[0]!.n === parts) return;
  for (let part = 0; part < parts; part++) {
    const slice = bytes.subarray(part * chunkBytes, (part + 1) * chunkBytes);
    await tx.run('INSERT INTO chunk (artefact, part, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
      artefact,
      part,
      slice,
    ]);
  }
}

/** The row numbers of artefacts; those that are not there get a row of place "absent". */
export async function numberArtefacts(tx: Connection, hexes: readonly string[]): Promise<Map<string, number>> {
  const numbers = new Map<string, number>();
  const wanted = [...new Set(hexes)];
  const find = async (some: readonly string[]) => {
    for (const list of inChunks(some)) {
      const rows = await tx.all<{ ref: string; number: number }>(
        `SELECT ref, number FROM artefact WHERE ref IN (${placeholders(1, list.length)})`,
        list,
      );
      for (const { ref, number } of rows) numbers.set(ref, number);
    }
  };
  await find(wanted);
  const absent = wanted.filter((hex) => !numbers.has(hex));
  if (absent.length === 0) return numbers;
  await insertRows(
    tx,
    'artefact (ref, size, type, place, touched_at)',
    absent.map((hex) => [hex, 0, '', 'absent', 0]),
    'ON CONFLICT DO NOTHING',
  );
  await find(absent);
  return numbers;
}

async function writeCache(tx: Connection, writes: readonly CacheWrite[]): Promise<void> {
  const once = new Map(writes.map((write) => [`${write.scope}\0${write.key}`, write]));
  await insertRows(
    tx,
    'cache (scope, key, value, at, expires_at)',
    [...once.values()].map((write) => [write.scope, write.key, write.value, write.atMs, write.expiresAtMs]),
    `ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, at = excluded.at, expires_at = excluded.expires_at`,
  );
}

/** Appends events in order; where a key was there before, the event that is stored under it is returned. */
export async function writeEvents(
  tx: Connection,
  events: readonly (EventWrite & { readonly text: string })[],
  numbers: ReadonlyMap<string, number> = new Map(),
): Promise<StoredEvent[]> {
  if (events.length === 0) return [];
  const head = await tx.all<{ seq: number }>('UPDATE head SET seq = seq + $1 WHERE id = 1 RETURNING seq', [
    events.length,
  ]);
  const first = head[0]!.seq - events.length + 1;
  const inserted = await insertRows(
    tx,
    'event (seq, run, at, kind, key, data)',
    events.map((event, i) => [first + i, event.run, event.atMs, event.kind, event.key ?? null, event.text]),
    'ON CONFLICT DO NOTHING',
  );
  const isNew = await whichAreNew(tx, first, events.length, inserted);
  const changes = new Changes();
  const stored: StoredEvent[] = [];
  for (const [i, event] of events.entries()) {
    if (!isNew(first + i)) {
      stored.push(await existing(tx, event));
      continue;
    }
    const { run, runId, atMs, kind, key, data } = event;
    stored.push({ seq: first + i, run: runId, atMs, kind, ...(key === undefined ? {} : { key }), data });
    changes.add(run, first + i, atMs, project(kind, data, event.text));
  }
  await changes.write(tx, numbers);
  return stored;
}

async function whichAreNew(
  tx: Connection,
  first: number,
  count: number,
  inserted: number,
): Promise<(seq: number) => boolean> {
  if (inserted === count) return () => true;
  const rows = await tx.all<{ seq: number }>('SELECT seq FROM event WHERE seq >= $1 AND seq < $2', [
    first,
    first + count,
  ]);
  const seqs = new Set(rows.map((row) => row.seq));
  return (seq) => seqs.has(seq);
}

async function existing(tx: Connection, event: EventWrite): Promise<StoredEvent> {
  const rows = await tx.all<{ seq: number; at: number; data: string }>(
    'SELECT seq, at, data FROM event WHERE run = $1 AND kind = $2 AND key = $3',
    [event.run, event.kind, event.key!],
  );
  const row = rows[0]!;
  return {
    seq: row.seq,
    run: event.runId,
    atMs: row.at,
    kind: event.kind,
    key: event.key!,
    data: JSON.parse(row.data) as Json,
  };
}

/** What one batch does to the derived tables, collected so that each run and table is written once. */
class Changes {
  readonly #runs = new Map<
    number,
    { seq: number; atMs: number; totals: Totals; status?: RunStatus; reason?: string | null }
  >();
  readonly #trials: Value[][] = [];
  readonly #references: Reference[] = [];
  readonly #checkpoints = new Map<string, { run: number; seq: number; key: string; step: number; ref: string }>();

  add(run: number, seq: number, atMs: number, projection: Projection): void {
    let change = this.#runs.get(run);
    if (change === undefined) this.#runs.set(run, (change = { seq, atMs, totals: noTotals }));
    change.seq = seq;
    change.atMs = Math.max(change.atMs, atMs);
    if (projection.adds !== undefined) change.totals = addTotals(change.totals, projection.adds);
    if (projection.status !== undefined) {
      change.status = projection.status.status;
      change.reason = projection.status.reason;
    }
    if (projection.trial !== undefined) this.#trials.push(trialRow(run, seq, projection.trial));
    for (const [hex, reason] of projection.references) this.#references.push([run, hex, reason]);
    const { checkpoint } = projection;
    if (checkpoint !== undefined) this.#checkpoints.set(`${run} ${checkpoint.key}`, { run, seq, ...checkpoint });
  }

  async write(tx: Connection, numbers: ReadonlyMap<string, number>): Promise<void> {
    await insertRows(tx, trialColumns, this.#trials);
    // The older checkpoint's bytes are no longer protected once the newer one is there.
    for (const { run, key, seq, step, ref } of this.#checkpoints.values()) {
      await tx.run('DELETE FROM reference WHERE run = $1 AND reason = $2', [run, `checkpoint:${key}`]);
      await tx.run(
        `INSERT INTO checkpoint (run, key, seq, step, ref) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (run, key) DO UPDATE SET seq = excluded.seq, step = excluded.step, ref = excluded.ref`,
        [run, key, seq, step, hexOf(ref)],
      );
    }
    const current = new Map([...this.#checkpoints.values()].map((c) => [`${c.run} checkpoint:${c.key}`, hexOf(c.ref)]));
    await insertReferences(
      tx,
      this.#references.filter(([run, hex, reason]) => (current.get(`${run} ${reason}`) ?? hex) === hex),
      numbers,
    );
    for (const [run, { seq, atMs, totals, status, reason }] of this.#runs) {
      await tx.run(
        `UPDATE run SET last_seq = $1, updated_at = CASE WHEN updated_at > $2 THEN updated_at ELSE $2 END,
          measured = measured + $3, undetermined = undetermined + $4, error = error + $5, calls = calls + $6,
          input_tokens = input_tokens + $7, output_tokens = output_tokens + $8, cost_usd = cost_usd + $9 WHERE number = $10`,
        [
          seq,
          atMs,
          totals.measured,
          totals.undetermined,
          totals.error,
          totals.calls,
          totals.inputTokens,
          totals.outputTokens,
          totals.costUsd,
          run,
        ],
      );
      if (status !== undefined)
        await tx.run('UPDATE run SET status = $1, reason = $2 WHERE number = $3', [status, reason ?? null, run]);
    }
  }
}

const trialColumns = 'trial (seq, run, layer, set_name, item, cluster, status, value, why, transcript)';

export function trialRow(run: number, seq: number, trial: NonNullable<Projection['trial']>): Value[] {
  return [
    seq,
    run,
    trial.layer,
    trial.set,
    trial.item,
    trial.cluster ?? null,
    trial.status,
    measuredValue(trial) ?? null,
    trial.why === undefined ? null : columnText(trial.why),
    trial.transcript === undefined ? null : hexOf(trial.transcript),
  ];
}

type Reference = readonly [run: number, hex: string, reason: string];

async function insertReferences(
  tx: Connection,
  references: readonly Reference[],
  known: ReadonlyMap<string, number>,
): Promise<void> {
  if (references.length === 0) return;
  const others = references.flatMap(([, hex]) => (known.has(hex) ? [] : [hex]));
  const found = others.length === 0 ? known : await numberArtefacts(tx, others);
  await insertRows(
    tx,
    'reference (artefact, run, reason)',
    references.map(([run, hex, reason]) => [known.get(hex) ?? found.get(hex)!, run, reason]),
    'ON CONFLICT DO NOTHING',
  );
}
