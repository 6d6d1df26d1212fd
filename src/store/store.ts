/**
 * The store's whole face: runs as append-only event logs, content-addressed artefacts, leases, cache, retention.
 *
 * Every figure is derived from a run's events; tables beside the log are indexes of it, written in the same
 * transaction. A promise that resolves was committed: it survives the process being killed. Implemented over SQLite
 * (one file, several processes) and PostgreSQL (several machines) with one contract suite. Times are
 * milliseconds since 1970 (`atMs`). Open one with `openStore` from `index.ts`.
 */
import type { Observation } from '../core/index.ts';
import type { Json, Ref } from '../core/values.ts';
import type { ArtefactWrite } from './artefact-write.ts';

export type ObservationStatus = Observation['status'];

// ---------------------------------------------------------------------------------------------------------- identity

/** What a run is. Its canonical JSON is hashed into the run's id, so that the same specification reopens the run. */
export interface RunSpec {
  /** `redteam/tap`. */
  readonly method: string;
  readonly params: Json;
  /** Role to model, with whatever else of the model changes its replies. */
  readonly models: { readonly [role: string]: Json };
  readonly seed: number | string;
  readonly hashes: {
    /** Hash of the method's code. */
    readonly code: string;
    /** Role to the hash of its weights, for open models. */
    readonly weights?: { readonly [role: string]: string };
    /** Name to the hash of the data. */
    readonly data?: { readonly [name: string]: string };
  };
  /** 0 or absent is the first sample; 1, 2, ... are fresh ones of the same specification. */
  readonly replicate?: number;
  /** A child run belongs to one parent and one key in it; both are part of its identity. */
  readonly parent?: { readonly run: string; readonly key: string };
}

/**
 * `created`: nothing ran yet. `running`: begun, not ended (whether somebody is at work is said by its lease).
 * `waiting`: for labels by people. `stopped`: by a person or a budget; can go on. `failed`, `done`: ended.
 */
export type RunStatus = 'created' | 'running' | 'waiting' | 'stopped' | 'failed' | 'done';

/** A run as lists show it; all of it is derived from the run's events. */
export interface RunInfo {
  readonly id: string;
  readonly spec: RunSpec;
  readonly status: RunStatus;
  /** Why it stopped or failed, or what it waits for. */
  readonly reason?: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Sequence number of the newest event. */
  readonly lastSeq: number;
  /** Trials of the first layer (not those of rescoring layers). */
  readonly trials: TrialCounts;
  /** Recorded model calls; replies from the cache are counted in `calls` and cost nothing. */
  readonly usage: {
    readonly calls: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly costUsd: number;
  };
}
export interface TrialCounts {
  readonly measured: number;
  readonly undetermined: number;
  readonly error: number;
}

export interface RunQuery {
  /** One method (`redteam/tap`), or a whole family with a trailing slash (`redteam/`). */
  readonly method?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  /** Children of this run; `null`: only runs without a parent. */
  readonly parent?: string | null;
  /** Words that must all occur in the id, the method, the models or the parameters, in any case. */
  readonly text?: string;
  readonly createdAfterMs?: number;
  readonly createdBeforeMs?: number;
  readonly order?: 'newest' | 'oldest';
  readonly limit?: number;
  /** `next` of the page before. */
  readonly cursor?: string;
  /** Entries to pass over, for a jump into a long list; a cursor is steadier while entries arrive. */
  readonly offset?: number;
}

/** One page of a list; `next` is absent on the last one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
  /** How many there are on all pages. */
  readonly total: number;
}

// ------------------------------------------------------------------------------------------------------------ events

/**
 * One line of the log. `seq` grows over the whole store and has gaps; whoever read up to `seq` has missed nothing
 * before it. An event with a key is written once per run, kind and key: the first writer wins.
 */
export interface StoredEvent {
  readonly seq: number;
  readonly run: string;
  readonly atMs: number;
  readonly kind: string;
  readonly key?: string;
  readonly data: Json;
}

/** An event of the caller's own (`progress`, `note`, `outcome`, ...). The kinds in {@link reservedKinds} have methods. */
export interface NewEvent {
  readonly kind: string;
  readonly key?: string;
  readonly data?: Json;
}

/** Kinds that carry derived state and are written only through their own methods. */
export const reservedKinds = [
  'run.created',
  'run.status',
  'step',
  'call',
  'checkpoint',
  'trial',
  'layer',
  'kept',
  'label.asked',
  'label',
  'purged',
] as const;

export interface EventQuery {
  readonly run?: string;
  /** Only events after this sequence number. */
  readonly after?: number;
  readonly kinds?: readonly string[];
  readonly limit?: number;
}

// ------------------------------------------------------------------------------------------------------------- a run

/** A model call that finished. The key is the recorder's: it must be the same when the run is replayed. */
export interface CallRecord {
  readonly model: string;
  readonly request: Json;
  readonly reply: Json;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Absent where the price is unknown; 0 for a reply from the cache. */
  readonly costUsd?: number;
  readonly latencyMs?: number;
  readonly attempts?: number;
  /** Where in the run it was made: `trial/<set>/<item>`, a step. */
  readonly scope?: string;
  /** The provider's id of the reply. */
  readonly providerId?: string;
  readonly cached?: boolean;
}

/** What a call cost, without its text: what the event itself holds. The text is in `body`, and may be purged. */
export interface CallSummary extends Omit<CallRecord, 'request' | 'reply'> {
  readonly key: string;
  readonly seq: number;
  readonly body: Ref;
}

export interface Checkpoint {
  /** The training step that the state belongs to. */
  readonly step: number;
  readonly bytes: Uint8Array;
  readonly ref: Ref;
}

/** A trial: an observation at its place in a run. */
export type Trial = Observation & {
  readonly seq: number;
  /** The name given to `Context.trials`. */
  readonly set: string;
  /** `''` is the run's own; a rescoring layer has its name here. */
  readonly layer: string;
};

export interface TrialQuery {
  readonly set?: string;
  /** Default `''`, the run's own. */
  readonly layer?: string;
  readonly status?: ObservationStatus | readonly ObservationStatus[];
  readonly cluster?: string;
  /** Text that occurs in the item or in `why`, in any case. */
  readonly text?: string;
  readonly minValue?: number;
  readonly maxValue?: number;
  /** Default `recorded`, the order of the log. `item` and `value` (descending) are stable too. */
  readonly order?: 'recorded' | 'item' | 'value';
  readonly limit?: number;
  readonly cursor?: string;
  /** See {@link RunQuery.offset}. */
  readonly offset?: number;
}

/** Another judge's reading of the same transcripts. */
export interface Layer {
  readonly name: string;
  /** Who judged: id, prompt hash, model, ... */
  readonly judge: Json;
}

/** A question to people about one item. Asked once by (name, set, item). */
export interface LabelQuestion {
  /** What is asked: `harmful`, `same-meaning`. */
  readonly name: string;
  readonly item: string;
  readonly set?: string;
  /** What the person sees. */
  readonly show: Json;
  readonly choices?: readonly Json[];
}
export interface Label {
  readonly name: string;
  readonly item: string;
  readonly set?: string;
  readonly labeller: string;
  readonly value: Json;
  readonly note?: string;
}
export interface StoredLabel extends Label {
  readonly seq: number;
  readonly atMs: number;
}

export interface KeptArtefact {
  readonly name: string;
  readonly ref: Ref;
  readonly type: string;
  readonly bytes: number;
}

/** A transcript on its way: its address is known, its bytes are not stored yet. */
export interface PreparedTranscript {
  readonly ref: Ref;
  readonly write: ArtefactWrite;
}

export interface RecordTrialOptions {
  readonly transcripts?: readonly PreparedTranscript[];
  /** How long the write may wait for others to share its transaction with. @default 0 */
  readonly patienceMs?: number;
}

/**
 * One run. All writers resolve after the commit, and writes made in the same turn share one transaction, in the order
 * in which they were made. All throw `store.fenced` when this handle holds a lease that somebody else took over.
 */
export interface Run {
  readonly id: string;
  readonly spec: RunSpec;
  info(): Promise<RunInfo>;
  /** The same run; each write through it is refused once the lease was taken over by another owner. */
  holding(lease: Lease): Run;

  /**
   * Appends an event. With a key, the first writer wins and everybody gets the stored event back.
   * @example await run.append({ kind: 'progress', data: { done: 3, of: 10 } });
   */
  append(event: NewEvent): Promise<StoredEvent>;
  events(query?: Omit<EventQuery, 'run'>): Promise<readonly StoredEvent[]>;
  /** The one event of a kind and key, or undefined. */
  event(kind: string, key: string): Promise<StoredEvent | undefined>;
  setStatus(status: Exclude<RunStatus, 'created'>, reason?: string): Promise<void>;

  /** A stored step, or undefined: `null` is a value. */
  step(key: string): Promise<{ readonly value: Json } | undefined>;
  /** Stores a step once. Returns the stored value, which is another's if another was first. */
  recordStep(key: string, value: Json): Promise<Json>;

  /** A finished call, or undefined. Throws `store.purged` where its text was purged. */
  call(key: string): Promise<CallRecord | undefined>;
  /** Stores a finished call once, before its reply is delivered; returns the stored one. */
  recordCall(key: string, call: CallRecord): Promise<CallRecord>;
  calls(query?: { readonly after?: number; readonly limit?: number }): Promise<readonly CallSummary[]>;

  /** The newest checkpoint of a loop. */
  checkpoint(key: string): Promise<Checkpoint | undefined>;
  /** Replaces the loop's checkpoint at once; the bytes of the older one are dropped. */
  saveCheckpoint(key: string, step: number, bytes: Uint8Array): Promise<Ref>;

  /** Stores the observation of one item of a set once; returns the stored one. */
  recordTrial(set: string, observation: Observation, layer?: string, options?: RecordTrialOptions): Promise<Trial>;
  trial(set: string, item: string, layer?: string): Promise<Trial | undefined>;
  trials(query?: TrialQuery): Promise<Page<Trial>>;
  /** All trials of a query, page by page. */
  eachTrial(query?: Omit<TrialQuery, 'cursor' | 'limit'>): AsyncIterable<Trial>;
  /** Counts by set, of one layer. */
  counts(layer?: string): Promise<{ readonly [set: string]: TrialCounts }>;

  /** Opens a rescoring layer. The same name with another judge throws `store.layer-differs`. */
  addLayer(layer: Layer): Promise<void>;
  layers(): Promise<readonly Layer[]>;

  /** Keeps bytes under a name in this run; a name can be kept again, the newest wins. */
  keep(name: string, bytes: Uint8Array, type: string): Promise<Ref>;
  kept(): Promise<readonly KeptArtefact[]>;
  /** A transcript that is stored with the trial that it is handed to, in one transaction. */
  prepareTranscript(transcript: Json): Promise<PreparedTranscript>;
  /** Stores a transcript (purgeable) and returns the ref to put into an observation. Needs no awaiting before that. */
  keepTranscript(transcript: Json): Promise<Ref>;

  askLabel(question: LabelQuestion): Promise<void>;
  /** Questions, by default only those that nobody answered. */
  questions(all?: boolean): Promise<readonly LabelQuestion[]>;
  label(label: Label): Promise<void>;
  /** The newest label of each labeller, name, set and item; `history` for all. */
  labels(history?: boolean): Promise<readonly StoredLabel[]>;

  children(): Promise<readonly RunInfo[]>;
}

// --------------------------------------------------------------------------------------------------------- artefacts

export interface ArtefactInfo {
  readonly ref: Ref;
  readonly bytes: number;
  readonly type: string;
  /** When its bytes were purged; what remains is the tombstone. */
  readonly purgedAtMs?: number;
}

/** Bytes by their content. */
export interface Artefacts {
  /** Stores bytes under their hash; text and JSON are redacted first, so the ref is that of the redacted bytes. */
  put(bytes: Uint8Array, type: string): Promise<Ref>;
  /** Stores canonical JSON, `application/json`. */
  putJson(value: Json): Promise<Ref>;
  /** The bytes, whose hash was checked. Throws `store.missing`, `store.purged` or `store.corrupt`. */
  get(ref: Ref): Promise<Uint8Array>;
  getJson(ref: Ref): Promise<Json>;
  info(ref: Ref): Promise<ArtefactInfo | undefined>;
  /** A named root: what it refers to is never collected. `undefined` removes the name. */
  pin(name: string, ref: Ref | undefined): Promise<void>;
  pinned(): Promise<{ readonly [name: string]: Ref }>;
}

// ------------------------------------------------------------------------------------------------------------ leases

/** The right to work on something, until it expires. `token` grows with each change of owner and never shrinks. */
export interface Lease {
  readonly name: string;
  readonly owner: string;
  readonly token: number;
  readonly expiresAtMs: number;
}
export interface Leases {
  /** The lease, or undefined while another owner's has not expired. Taking over an expired one raises the token. */
  acquire(name: string, owner: string, durationMs: number): Promise<Lease | undefined>;
  /** Prolongs; throws `store.fenced` when it was taken over or released. */
  renew(lease: Lease, durationMs: number): Promise<Lease>;
  /** Gives it back; nothing happens when it is no longer ours. The token stays. */
  release(lease: Lease): Promise<void>;
  get(name: string): Promise<Lease | undefined>;
  /** All whose name begins so; `expired` for those whose owner let them lapse without giving them back. */
  list(prefix: string, options?: { readonly expired?: boolean }): Promise<readonly Lease[]>;
}

// ------------------------------------------------------------------------------------------------------------- cache

/** Replies by the hash of what was asked, in scopes (a run, a project, `global`) with an expiry. */
export interface ResponseCache {
  /** `key` is any JSON; its canonical form is hashed. Expired entries are not found. */
  get(scope: string, key: Json): Promise<Json | undefined>;
  set(scope: string, key: Json, value: Json, options?: { readonly lifetimeMs?: number }): Promise<void>;
  /** Removes a scope, or what expired everywhere; returns how many. */
  clear(scope?: string): Promise<number>;
}

// ------------------------------------------------------------------------------------------------------- maintenance

export interface CollectReport {
  readonly artefacts: number;
  readonly bytes: number;
}
export interface PurgeReport {
  readonly runs: number;
  readonly transcripts: number;
  readonly bytes: number;
}
/** One fault found by {@link Store.verify}. */
export interface Fault {
  readonly where: string;
  readonly what: string;
}

export interface Store {
  /** Where it is, without a password. */
  readonly address: string;
  readonly dialect: 'sqlite' | 'postgres';
  /** The store's schema version. */
  readonly version: number;

  /** Opens the run with this identity, made now if it is new. */
  open(spec: RunSpec): Promise<{ readonly run: Run; readonly created: boolean }>;
  /** A run by its id or by a beginning of it that is unique. Throws `store.no-run` or `store.ambiguous-run`. */
  run(id: string): Promise<Run>;
  runs(query?: RunQuery): Promise<Page<RunInfo>>;

  /** Events of one run or of all after a sequence number, in order. */
  events(query?: EventQuery): Promise<readonly StoredEvent[]>;
  /** Yields events as they are committed, by whichever process, until the signal aborts. */
  follow(query: EventQuery & { readonly signal: AbortSignal; readonly pollMs?: number }): AsyncIterable<StoredEvent>;
  /** The newest sequence number: where a tail that wants only new events begins. */
  head(): Promise<number>;

  readonly artefacts: Artefacts;
  readonly leases: Leases;
  readonly cache: ResponseCache;

  /** Removes artefacts that no run, pin or kept artefact refers to and that nobody put in the last `graceMs` (1 h). */
  collect(options?: { readonly graceMs?: number }): Promise<CollectReport>;
  /**
   * Removes the text of transcripts and calls: of these runs, or of runs not touched since `olderThanMs` ago, or both.
   * Observations keep status and value; the ref stays, as a tombstone. Cached replies of that age go too.
   */
  purge(options: { readonly runs?: readonly string[]; readonly olderThanMs?: number }): Promise<PurgeReport>;
  /** Checks the database, every artefact's hash and that the derived tables say what the log says. */
  verify(): Promise<readonly Fault[]>;
  /** Writes everything, then closes. What was not awaited is committed too. */
  close(): Promise<void>;
}

/** How a store is opened. */
export interface StoreOptions {
  /**
   * A folder (default `.fiducial`), made if absent, which holds `store.db` and `artefacts/`; or
   * `postgres://user@host/database`, with `?schema=name` (default `fiducial`).
   */
  readonly address?: string;
  /** Applied to every string that is stored: event data, keys, text and JSON artefacts, cache entries. */
  readonly redact?: (text: string) => string;
  /** Artefacts above this go to files (SQLite) or to chunks (PostgreSQL). Default 64 KiB. */
  readonly inlineBytes?: number;
  /** PostgreSQL only: a folder that all machines share, for artefacts above `inlineBytes`. */
  readonly folder?: string;
  /** How long a write waits for another process's lock before `store.locked`. Default 15 s. */
  readonly lockTimeoutMs?: number;
  /** How long to try again when the server is gone before `store.unreachable`. Default 60 s. */
  readonly reconnectTimeoutMs?: number;
  /** `process` (default): what was committed survives a kill. `power`: and a power cut, at one disk flush a commit. */
  readonly durability?: 'process' | 'power';
  /** Opens without changing anything: no migration, no writes. */
  readonly readOnly?: boolean;
  /** The clock; for tests. */
  readonly now?: () => number;
}
