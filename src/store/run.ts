/**
 * One run over its log: each word of the `Run` interface as an event, or as a query of what events derived.
 *
 * Exactly-once words (step, call, trial, layer, question) are keyed events, where the first writer wins and everybody
 * reads the same. The text of calls and transcripts lies in artefacts and not in events, so that it can be purged while
 * the log stays as it was.
 */
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import type { Observation } from '../core/index.ts';
import type { Json, Ref } from '../core/values.ts';
import type { ArtefactStore } from './artefacts.ts';
import type { ArtefactWrite } from './artefact-write.ts';
import type { Committer } from './commit.ts';
import type { Database } from './database.ts';
import { canonicalJson, cleanJson, cleanName, hexOf, type Redact, sha256, toRef } from './json.ts';
import {
  countTrials,
  getEvent,
  getTrial,
  listEvents,
  listRuns,
  listTrials,
  runColumns,
  type RunRow,
  toRunInfo,
} from './query.ts';
import {
  type CallRecord,
  type CallSummary,
  type Checkpoint,
  type EventQuery,
  type KeptArtefact,
  type Label,
  type LabelQuestion,
  type Layer,
  type Lease,
  type NewEvent,
  type Page,
  type PreparedTranscript,
  type RecordTrialOptions,
  reservedKinds,
  type Run,
  type RunInfo,
  type RunSpec,
  type RunStatus,
  type StoredEvent,
  type StoredLabel,
  type Trial,
  type TrialCounts,
  type TrialQuery,
} from './store.ts';

/** What a run needs of its store. */
export interface RunParts {
  readonly database: Database;
  readonly committer: Committer;
  readonly artefacts: ArtefactStore;
  readonly redact: Redact | undefined;
  readonly now: () => number;
  /** Drops the bytes of a checkpoint that was replaced, unless something else refers to them. */
  readonly dropReplaced: (hex: string) => Promise<void>;
}

export class StoredRun implements Run {
  readonly id: string;
  readonly spec: RunSpec;
  readonly #number: number;
  readonly #parts: RunParts;
  readonly #lease: Lease | undefined;

  constructor(parts: RunParts, number: number, id: string, spec: RunSpec, lease?: Lease) {
    this.id = id;
    this.spec = spec;
    this.#number = number;
    this.#parts = parts;
    this.#lease = lease;
  }

  holding(lease: Lease): Run {
    return new StoredRun(this.#parts, this.#number, this.id, this.spec, lease);
  }

  async info(): Promise<RunInfo> {
    const rows = await this.#parts.database.all<RunRow>(`SELECT ${runColumns} FROM run WHERE number = $1`, [
      this.#number,
    ]);
    return toRunInfo(rows[0]!);
  }

  // ---------------------------------------------------------------------------------------------------------- events

  async append(event: NewEvent): Promise<StoredEvent> {
    if ((reservedKinds as readonly string[]).includes(event.kind)) {
      throw new FiducialError(
        'store.reserved-kind',
        `Events of kind ${show(event.kind)} have a method of their own.`,
        'Use recordStep, recordCall, recordTrial, keep, label, ... or another kind.',
      );
    }
    const kind = cleanName("The event's kind", event.kind, undefined);
    return await this.#write(kind, event.key, event.data ?? null);
  }

  async #write(
    kind: string,
    key: string | undefined,
    data: unknown,
    artefacts: readonly ArtefactWrite[] = [],
    patienceMs?: number,
  ): Promise<StoredEvent> {
    const { committer, redact, now } = this.#parts;
    return await committer.event({
      run: this.#number,
      runId: this.id,
      kind,
      key: key === undefined ? undefined : cleanName(`The key of ${kind}`, key, redact),
      data: cleanJson(data, redact),
      atMs: now(),
      lease: this.#lease,
      artefacts,
      patienceMs,
    });
  }

  async events(query: Omit<EventQuery, 'run'> = {}): Promise<readonly StoredEvent[]> {
    return await listEvents(this.#parts.database, query, this.#number);
  }

  async event(kind: string, key: string): Promise<StoredEvent | undefined> {
    return await getEvent(
      this.#parts.database,
      this.#number,
      this.id,
      kind,
      cleanName(`The key of ${kind}`, key, this.#parts.redact),
    );
  }

  async setStatus(status: Exclude<RunStatus, 'created'>, reason?: string): Promise<void> {
    await this.#write('run.status', undefined, { status, reason });
  }

  /** Every event of some kinds, in order. */
  async *#each(kinds: readonly string[]): AsyncIterable<StoredEvent> {
    for (let after = 0; ;) {
      const events = await this.events({ kinds, after, limit: 10_000 });
      yield* events;
      if (events.length < 10_000) return;
      after = events.at(-1)!.seq;
    }
  }

  // -------------------------------------------------------------------------------------------------- steps and calls

  async step(key: string): Promise<{ readonly value: Json } | undefined> {
    const event = await this.event('step', key);
    return event === undefined ? undefined : { value: event.data };
  }

  async recordStep(key: string, value: Json): Promise<Json> {
    return (await this.#write('step', key, value)).data;
  }

  async call(key: string): Promise<CallRecord | undefined> {
    const event = await this.event('call', key);
    return event === undefined ? undefined : await this.#callOf(event);
  }

  async recordCall(key: string, call: CallRecord): Promise<CallRecord> {
    const { request, reply, ...summary } = call;
    const body = await this.#parts.artefacts.prepareTranscript({ request, reply });
    const event = await this.#write('call', key, { ...summary, body: body.ref }, [body.write]);
    if ((event.data as { readonly body?: unknown }).body !== body.ref) return await this.#callOf(event);
    // What replay will deliver must be delivered now too: with redaction, that is what was stored.
    return this.#parts.redact === undefined ? call : await this.#callOf(event);
  }

  async #callOf(event: StoredEvent): Promise<CallRecord> {
    const { body, ...summary } = event.data as unknown as Omit<CallSummary, 'key' | 'seq'>;
    const text = (await this.#parts.artefacts.getJson(body)) as { readonly request: Json; readonly reply: Json };
    return { ...summary, request: text.request, reply: text.reply };
  }

  async calls(query: { readonly after?: number; readonly limit?: number } = {}): Promise<readonly CallSummary[]> {
    const events = await this.events({ ...query, kinds: ['call'] });
    return events.map((event) => ({
      ...(event.data as unknown as Omit<CallSummary, 'key' | 'seq'>),
      key: event.key!,
      seq: event.seq,
    }));
  }

  // ----------------------------------------------------------------------------------------------------- checkpoints

  async checkpoint(key: string): Promise<Checkpoint | undefined> {
    const row = await this.#checkpointRow(key);
    if (row === undefined) return undefined;
    const ref = toRef(row.ref);
    return { step: row.step, ref, bytes: await this.#parts.artefacts.get(ref) };
  }

  async saveCheckpoint(key: string, step: number, bytes: Uint8Array): Promise<Ref> {
    const loop = cleanName('The loop', key, this.#parts.redact);
    const older = await this.#checkpointRow(loop);
    const { ref, write } = await this.#parts.artefacts.prepare(bytes, 'application/octet-stream');
    await this.#write('checkpoint', undefined, { loop, step, ref, bytes: bytes.length }, [write]);
    if (older !== undefined && older.ref !== hexOf(ref)) await this.#parts.dropReplaced(older.ref);
    return ref;
  }

  async #checkpointRow(key: string): Promise<{ step: number; ref: string } | undefined> {
    const rows = await this.#parts.database.all<{ step: number; ref: string }>(
      'SELECT step, ref FROM checkpoint WHERE run = $1 AND key = $2',
      [this.#number, cleanName('The loop', key, this.#parts.redact)],
    );
    return rows[0];
  }

  // ---------------------------------------------------------------------------------------------------------- trials

  async recordTrial(
    set: string,
    observation: Observation,
    layer = '',
    { transcripts = [], patienceMs }: RecordTrialOptions = {},
  ): Promise<Trial> {
    checkObservation(observation);
    const { item, cluster, ...rest } = observation;
    const { redact } = this.#parts;
    const data = {
      set: cleanName('The set', set, redact),
      ...(layer === '' ? {} : { layer: cleanName('The layer', layer, redact) }),
      item: cleanName('The item', item, redact),
      ...(cluster === undefined ? {} : { cluster: cleanName('The cluster', cluster, redact) }),
      ...rest,
    };
    const event = await this.#write(
      'trial',
      trialKey(data.set, data.item, data.layer ?? ''),
      data,
      transcripts.map(({ write }) => write),
      patienceMs,
    );
    return { layer: '', ...(event.data as object), seq: event.seq } as Trial;
  }

  async trial(set: string, item: string, layer = ''): Promise<Trial | undefined> {
    const { redact, database } = this.#parts;
    return await getTrial(
      database,
      this.#number,
      trialKey(cleanName('The set', set, redact), cleanName('The item', item, redact), layer),
    );
  }

  async trials(query: TrialQuery = {}): Promise<Page<Trial>> {
    return await listTrials(this.#parts.database, this.#number, query);
  }

  async *eachTrial(query: Omit<TrialQuery, 'cursor' | 'limit'> = {}): AsyncIterable<Trial> {
    for (let cursor: string | undefined; ;) {
      const page: Page<Trial> = await this.trials({
        ...query,
        limit: 5_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      yield* page.items;
      if (page.next === undefined) return;
      cursor = page.next;
    }
  }

  async counts(layer = ''): Promise<{ readonly [set: string]: TrialCounts }> {
    return await countTrials(this.#parts.database, this.#number, layer);
  }

  async addLayer(layer: Layer): Promise<void> {
    const name = cleanName('The layer', layer.name, this.#parts.redact);
    const judge = cleanJson(layer.judge, this.#parts.redact);
    const event = await this.#write('layer', name, judge);
    if (canonicalJson(event.data) === canonicalJson(judge)) return;
    throw new FiducialError(
      'store.layer-differs',
      `Run ${this.id} has a layer ${show(name)} by another judge: ${show(event.data)}, not ${show(judge)}.`,
      'Give this judge a layer of its own name.',
    );
  }

  async layers(): Promise<readonly Layer[]> {
    const layers: Layer[] = [];
    for await (const event of this.#each(['layer'])) layers.push({ name: event.key!, judge: event.data });
    return layers;
  }

  // ------------------------------------------------------------------------------------------- artefacts and children

  async keep(name: string, bytes: Uint8Array, type: string): Promise<Ref> {
    const clean = cleanName('The name', name, this.#parts.redact);
    const { ref, write } = await this.#parts.artefacts.prepare(bytes, type);
    await this.#write('kept', undefined, { name: clean, ref, type, bytes: bytes.length }, [write]);
    return ref;
  }

  async kept(): Promise<readonly KeptArtefact[]> {
    const newest = new Map<string, KeptArtefact>();
    for await (const event of this.#each(['kept'])) {
      const kept = event.data as unknown as KeptArtefact;
      newest.set(kept.name, kept);
    }
    return [...newest.values()];
  }

  async prepareTranscript(transcript: Json): Promise<PreparedTranscript> {
    return await this.#parts.artefacts.prepareTranscript(transcript, this.#number);
  }

  async keepTranscript(transcript: Json): Promise<Ref> {
    return await this.#parts.artefacts.putTranscript(transcript, this.#number);
  }

  async children(): Promise<readonly RunInfo[]> {
    const children: RunInfo[] = [];
    for (let cursor: string | undefined; ;) {
      const page: Page<RunInfo> = await listRuns(this.#parts.database, {
        parent: this.id,
        order: 'oldest',
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      children.push(...page.items);
      if (page.next === undefined) return children;
      cursor = page.next;
    }
  }

  // ---------------------------------------------------------------------------------------------------------- labels

  async askLabel(question: LabelQuestion): Promise<void> {
    const { redact } = this.#parts;
    // Before the key is put together: inside JSON a secret could be escaped, and pass.
    const clean = {
      ...question,
      name: cleanName('The question', question.name, redact),
      item: cleanName('The item', question.item, redact),
      ...(question.set === undefined ? {} : { set: cleanName('The set', question.set, redact) }),
    };
    await this.#write('label.asked', labelKey(clean), clean);
  }

  async questions(all = false): Promise<readonly LabelQuestion[]> {
    const answered = new Set<string>();
    if (!all) for (const label of await this.labels()) answered.add(labelKey(label));
    const questions: LabelQuestion[] = [];
    for await (const event of this.#each(['label.asked'])) {
      const question = event.data as unknown as LabelQuestion;
      if (!answered.has(labelKey(question))) questions.push(question);
    }
    return questions;
  }

  async label(label: Label): Promise<void> {
    cleanName('The labeller', label.labeller, undefined);
    await this.#write('label', undefined, label);
  }

  async labels(history = false): Promise<readonly StoredLabel[]> {
    const all: StoredLabel[] = [];
    const newest = new Map<string, StoredLabel>();
    for await (const event of this.#each(['label'])) {
      const label = { ...(event.data as unknown as Label), seq: event.seq, atMs: event.atMs };
      all.push(label);
      newest.set(JSON.stringify([label.labeller, labelKey(label)]), label);
    }
    return history ? all : [...newest.values()];
  }
}

const statuses = ['measured', 'undetermined', 'error'];

function checkObservation(observation: Observation): void {
  // Whatever the types say: methods may be written in JavaScript.
  const { status, value, why, item }: { status: string; value?: unknown; why?: unknown; item: string } = observation;
  let fault: string | undefined;
  if (!statuses.includes(status))
    fault = `its status is ${show(status)}; meant is ${nearestWord(status, statuses) ?? statuses.join(', ')}`;
  else if (status === 'measured' && (typeof value !== 'number' || !Number.isFinite(value)))
    fault = `it is measured, and its value is ${show(value)}`;
  else if (status !== 'measured' && value !== undefined)
    fault = `it is ${status}, and yet has the value ${show(value)}`;
  else if (status !== 'measured' && typeof why !== 'string') fault = `it is ${status}, and does not say why`;
  if (fault === undefined) return;
  throw new FiducialError(
    'store.bad-observation',
    `The observation of ${show(item)} is not one: ${fault}.`,
    'A value belongs to "measured" and only there; what could not be measured is "undetermined" or "error", with a `why`.',
  );
}

// JSON arrays, because no separator is safe from names that contain it.
export function trialKey(set: string, item: string, layer: string): string {
  const key = JSON.stringify([layer, set, item]);
  return key.length <= 1024 ? key : `long:${sha256(key)}`;
}

function labelKey(label: { readonly name: string; readonly set?: string; readonly item: string }): string {
  const key = JSON.stringify([label.name, label.set ?? '', label.item]);
  return key.length <= 1024 ? key : `long:${sha256(key)}`;
}
