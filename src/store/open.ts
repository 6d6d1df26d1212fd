/**
 * Opens a store and gives it its words: runs by identity, the tail of the log, artefacts, leases, cache, maintenance.
 *
 * An address that begins with `postgres://` or `postgresql://` is a server; anything else is a folder.
 */
import { join } from 'node:path';
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import { ArtefactStore } from './artefacts.ts';
import { CacheStore } from './cache.ts';
import { Committer, writeEvents } from './commit.ts';
import type { Database } from './database.ts';
import { canonicalJson, cleanJson, sha256 } from './json.ts';
import { LeaseStore } from './leases.ts';
import { openPostgres } from './postgres.ts';
import { listEvents, listRuns } from './query.ts';
import { collect, defaultGraceMs, drop, purge } from './retention.ts';
import { type RunParts, StoredRun } from './run.ts';
import { migrate, searchText } from './schema.ts';
import { openSqlite } from './sqlite.ts';
import type {
  CollectReport,
  EventQuery,
  Fault,
  Page,
  PurgeReport,
  Run,
  RunInfo,
  RunQuery,
  RunSpec,
  Store,
  StoredEvent,
  StoreOptions,
} from './store.ts';
import { verify } from './verify.ts';

const idLength = 16;

/**
 * Opens the store at an address, brings it to this program's schema version, and returns it. Throws `store.newer`,
 * `store.locked`, `store.full`, `store.unwritable`, `store.unreachable`, `store.access`, `store.corrupt`.
 *
 * @example
 * const store = await openStore({ address: '.fiducial' });
 * const { run } = await store.open({ method: 'redteam/pair', params: {}, models: {}, seed: 1, hashes: { code: 'abc' } });
 * await run.recordTrial('attack', { item: 'behaviour-1', status: 'measured', value: 1 });
 * await store.close();
 */
export async function openStore(options: StoreOptions = {}): Promise<Store> {
  const database = await openDatabase(options);
  try {
    const version = await migrate(database, { readOnly: options.readOnly ?? false });
    return new OpenedStore(database, version, options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

export function openDatabase(options: StoreOptions): Promise<Database> {
  const address = options.address ?? '.fiducial';
  const common = {
    lockTimeoutMs: options.lockTimeoutMs ?? 15_000,
    durability: options.durability ?? 'process',
    readOnly: options.readOnly ?? false,
  };
  if (isServer(address)) {
    const clock = options.now === undefined ? {} : { now: options.now };
    return openPostgres(address, { ...common, ...clock, reconnectTimeoutMs: options.reconnectTimeoutMs ?? 60_000 });
  }
  return openSqlite(address, { ...common, now: options.now ?? Date.now });
}

function isServer(address: string): boolean {
  if (/^postgres(ql)?:\/\//.test(address)) return true;
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(address)) return false;
  const scheme = address.slice(0, address.indexOf(':'));
  const meant = nearestWord(scheme, ['postgres', 'postgresql']);
  throw new FiducialError(
    'store.bad-address',
    `A store cannot be at ${show(`${scheme}://`)}.`,
    meant === undefined ? 'Name a folder, or a server as postgres://user@host/database.' : `Did you mean ${meant}://?`,
  );
}

/** What exports and imports need beneath the store's face. */
export function partsOf(store: Store): RunParts {
  if (store instanceof OpenedStore) return store.parts;
  throw new FiducialError(
    'store.internal',
    'This store was not opened by openStore.',
    'Pass the store itself, not a wrapper.',
  );
}

class OpenedStore implements Store {
  readonly address: string;
  readonly dialect: 'sqlite' | 'postgres';
  readonly version: number;
  readonly artefacts: ArtefactStore;
  readonly leases: LeaseStore;
  readonly cache: CacheStore;
  readonly #database: Database;
  readonly #committer: Committer;
  readonly parts: RunParts;
  readonly #folder: string | undefined;
  #listeners: (() => void)[] = [];

  constructor(database: Database, version: number, options: StoreOptions) {
    const now = options.now ?? Date.now;
    const { redact } = options;
    this.address = database.address;
    this.dialect = database.dialect;
    this.version = version;
    this.#database = database;
    this.#folder = database.dialect === 'sqlite' ? join(database.address, 'artefacts') : options.folder;
    this.#committer = new Committer(database, () => this.#wake());
    this.artefacts = new ArtefactStore(database, this.#committer, {
      redact,
      inlineBytes: options.inlineBytes ?? 64 * 1024,
      folder: this.#folder,
    });
    this.leases = new LeaseStore(database, redact);
    this.cache = new CacheStore(database, this.#committer, redact, now);
    this.parts = {
      database,
      committer: this.#committer,
      artefacts: this.artefacts,
      redact,
      now,
      dropReplaced: (hex) => drop(database, this.#folder, hex, now() - defaultGraceMs),
    };
  }

  // ------------------------------------------------------------------------------------------------------------ runs

  async open(spec: RunSpec): Promise<{ readonly run: Run; readonly created: boolean }> {
    const clean = cleanJson(plainSpec(spec), this.parts.redact);
    const text = canonicalJson(clean);
    const identity = sha256(text);
    const id = identity.slice(0, idLength);
    const known = (await this.#find(id)) ?? (await this.#create(clean as unknown as RunSpec, text, identity, id));
    if (known.identity !== identity) {
      throw new FiducialError(
        'store.id-taken',
        `Run ${id} has another specification, by a collision of hashes.`,
        'Change the seed or add a replicate.',
      );
    }
    if (known.created) this.#wake();
    return { run: this.#handle(known), created: known.created === true };
  }

  async #create(spec: RunSpec, text: string, identity: string, id: string): Promise<Found> {
    const atMs = this.parts.now();
    return await this.#database.transaction(async (tx) => {
      const { parent } = spec;
      if (parent !== undefined && (await tx.all('SELECT 1 FROM run WHERE id = $1', [parent.run])).length === 0) {
        throw new FiducialError(
          'store.no-run',
          `There is no run ${parent.run} to be the parent.`,
          'Open the parent first.',
        );
      }
      const inserted = await tx.run(
        `INSERT INTO run (id, identity, method, spec, parent, created_at, updated_at, status, last_seq, search)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'created', 0, $8) ON CONFLICT (id) DO NOTHING`,
        [id, identity, spec.method, text, parent?.run ?? null, atMs, atMs, searchText(id, text)],
      );
      const rows = await tx.all<Found>('SELECT number, id, identity, spec FROM run WHERE id = $1', [id]);
      if (inserted === 0) return rows[0]!;
      const data = { spec: JSON.parse(text) };
      await writeEvents(tx, [
        {
          run: rows[0]!.number,
          runId: id,
          kind: 'run.created',
          key: undefined,
          data,
          text: JSON.stringify(data),
          atMs,
        },
      ]);
      return { ...rows[0]!, created: true };
    });
  }

  async #find(id: string): Promise<Found | undefined> {
    const rows = await this.#database.all<Found>('SELECT number, id, identity, spec FROM run WHERE id = $1', [id]);
    return rows[0];
  }

  #handle(found: Found): Run {
    return new StoredRun(this.parts, found.number, found.id, JSON.parse(found.spec) as RunSpec);
  }

  async run(id: string): Promise<Run> {
    const exact = await this.#find(id);
    if (exact !== undefined) return this.#handle(exact);
    const near = /^[0-9a-f]+$/.test(id)
      ? await this.#database.all<Found>(
          'SELECT number, id, identity, spec FROM run WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 5',
          [id, `${id}g`],
        )
      : [];
    if (near.length === 1) return this.#handle(near[0]!);
    if (near.length > 1) {
      throw new FiducialError(
        'store.ambiguous-run',
        `${show(id)} begins several runs: ${near.map((run) => run.id).join(', ')}.`,
        'Give more of the id.',
      );
    }
    throw new FiducialError(
      'store.no-run',
      `There is no run ${show(id)} in ${this.address}.`,
      'fiducial runs lists them.',
    );
  }

  async runs(query: RunQuery = {}): Promise<Page<RunInfo>> {
    return await listRuns(this.#database, query);
  }

  // ---------------------------------------------------------------------------------------------------------- events

  async events(query: EventQuery = {}): Promise<readonly StoredEvent[]> {
    if (query.run === undefined) return await listEvents(this.#database, query);
    const found = await this.#find(query.run);
    return found === undefined ? [] : await listEvents(this.#database, query, found.number);
  }

  async head(): Promise<number> {
    const rows = await this.#database.all<{ seq: number }>('SELECT seq FROM head WHERE id = 1');
    return rows[0]!.seq;
  }

  async *follow(
    query: EventQuery & { readonly signal: AbortSignal; readonly pollMs?: number },
  ): AsyncIterable<StoredEvent> {
    const { signal, pollMs = 200, limit = 1_000, ...rest } = query;
    let after = query.after ?? (await this.head());
    while (!signal.aborted) {
      // Before the events are read, so that what is committed meanwhile is not skipped.
      const head = await this.head();
      if (head > after) {
        const events = await this.events({ ...rest, after, limit });
        for (const event of events) {
          if (signal.aborted) return;
          yield event;
        }
        after = events.length === limit ? events.at(-1)!.seq : Math.max(head, events.at(-1)?.seq ?? 0);
      } else await this.#sleep(pollMs, signal);
    }
  }

  /** Until something is committed here, the time is over (for what others commit), or the signal aborts. */
  #sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, durationMs);
      signal.addEventListener('abort', wake, { once: true });
      this.#listeners.push(wake);
    });
  }

  #wake(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  // ----------------------------------------------------------------------------------------------------- maintenance

  async collect(options: { readonly graceMs?: number } = {}): Promise<CollectReport> {
    return await collect(this.#database, this.#folder, Date.now() - (options.graceMs ?? defaultGraceMs));
  }

  async purge(options: { readonly runs?: readonly string[]; readonly olderThanMs?: number }): Promise<PurgeReport> {
    return await purge(this.#database, this.#folder, this.parts.now(), options);
  }

  async verify(): Promise<readonly Fault[]> {
    return await verify(this.#database, this.artefacts);
  }

  async close(): Promise<void> {
    await this.#committer.close();
    this.#wake();
    await this.#database.close();
  }
}

interface Found {
  readonly number: number;
  readonly id: string;
  readonly identity: string;
  readonly spec: string;
  readonly created?: boolean;
}

/** The specification without parts that say nothing, so that leaving one out and giving it empty is the same run. */
function plainSpec(spec: RunSpec): RunSpec {
  const { replicate, parent, hashes } = spec;
  const isEmpty = (record: object | undefined) => record === undefined || Object.keys(record).length === 0;
  return {
    method: spec.method,
    params: spec.params,
    models: spec.models,
    seed: spec.seed,
    hashes: {
      code: hashes.code,
      ...(isEmpty(hashes.weights) ? {} : { weights: hashes.weights! }),
      ...(isEmpty(hashes.data) ? {} : { data: hashes.data! }),
    },
    ...(replicate === undefined || replicate === 0 ? {} : { replicate }),
    ...(parent === undefined ? {} : { parent: { run: parent.run, key: parent.key } }),
  };
}
