/**
 * One file a run: its events, its child runs and every artefact that they refer to, checked on the way in.
 *
 * A zip archive of `manifest.json` (what is inside, with hashes), `runs/<id>.jsonl` (the log, without the sequence
 * numbers, which are each store's own) and `artefacts/<hash>`. The manifest's hash pins all of it. Importing twice
 * changes nothing; a run that went on elsewhere is continued; a log that differs is refused.
 */
import { FiducialError, show } from '../core/errors.ts';
import type { Json, Ref } from '../core/values.ts';
import { commitBatch, numberArtefacts, writeEvents } from './commit.ts';
import { type Connection, insertRows } from './database.ts';
import { canonicalJson, cleanJson, hexOf, sha256, toRef } from './json.ts';
import { partsOf } from './open.ts';
import { listEvents, listRuns } from './query.ts';
import type { RunParts } from './run.ts';
import { searchText } from './schema.ts';
import type { RunSpec, Store } from './store.ts';
import { createZip, openZip, type ZipReader } from './zip.ts';

const format = 'fiducial-run';
const formatVersion = 1;
const pageSize = 5_000;

interface Manifest {
  readonly format: typeof format;
  readonly version: number;
  /** The run that was asked for; parents come before their children in `runs`. */
  readonly run: string;
  readonly runs: readonly ManifestRun[];
  readonly artefacts: readonly ManifestArtefact[];
}
interface ManifestRun {
  readonly id: string;
  readonly spec: RunSpec;
  readonly events: number;
  readonly sha256: string;
  /** What the run holds as transcripts, which a purge may remove. */
  readonly transcripts: readonly string[];
}
interface ManifestArtefact {
  readonly ref: Ref;
  readonly bytes: number;
  readonly type: string;
  readonly purgedAtMs?: number;
}

export interface ExportReport {
  readonly path: string;
  readonly bytes: number;
  /** The manifest's hash: two exports with this hash hold the same events and artefacts. */
  readonly digest: Ref;
  readonly runs: number;
  readonly events: number;
  readonly artefacts: number;
}
export interface ImportReport {
  readonly run: string;
  readonly digest: Ref;
  readonly runs: number;
  /** Events that were not there before. */
  readonly events: number;
}

/**
 * Writes a run and its children to one file.
 *
 * @example const { digest } = await exportRun(store, 'a1b2c3', 'run.fiducial');
 */
export async function exportRun(store: Store, id: string, path: string): Promise<ExportReport> {
  const parts = partsOf(store);
  const root = await store.run(id);
  const zip = await createZip(path);
  try {
    const runs: ManifestRun[] = [];
    let events = 0;
    for (const runId of await withChildren(parts, root.id)) {
      const run = await numberOf(parts.database, runId);
      const lines = await logOf(parts.database, run!);
      const text = lines.map((line) => `${line}\n`).join('');
      await zip.add(`runs/${runId}.jsonl`, text);
      const transcripts = await refsOf(parts.database, run!, `reason IN ('transcript', 'purged')`);
      runs.push({
        id: runId,
        spec: (await store.run(runId)).spec,
        events: lines.length,
        sha256: sha256(text),
        transcripts,
      });
      events += lines.length;
    }
    const artefacts: ManifestArtefact[] = [];
    for (const ref of await reachable(parts, runs)) {
      const info = await parts.artefacts.info(ref);
      // A checkpoint that was replaced is mentioned by the log and is not there any more.
      if (info === undefined) continue;
      artefacts.push(info);
      if (info.purgedAtMs === undefined) await zip.add(`artefacts/${hexOf(ref)}`, await parts.artefacts.get(ref));
    }
    const manifest: Manifest = { format, version: formatVersion, run: root.id, runs, artefacts };
    const text = canonicalJson(cleanJson(manifest, undefined));
    await zip.add('manifest.json', text);
    const { bytes } = await zip.finish();
    return { path, bytes, digest: toRef(sha256(text)), runs: runs.length, events, artefacts: artefacts.length };
  } catch (error) {
    await zip.abandon();
    throw error;
  }
}

async function withChildren(parts: RunParts, root: string): Promise<string[]> {
  const ids = [root];
  for (const id of ids) {
    for (let cursor: string | undefined; ;) {
      const page = await listRuns(parts.database, {
        parent: id,
        order: 'oldest',
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      ids.push(...page.items.map((info) => info.id));
      if (page.next === undefined) break;
      cursor = page.next;
    }
  }
  return ids;
}

async function numberOf(connection: Connection, id: string): Promise<number | undefined> {
  const rows = await connection.all<{ number: number }>('SELECT number FROM run WHERE id = $1', [id]);
  return rows[0]?.number;
}

/** The log as lines of canonical JSON, without what is this store's own. */
async function logOf(connection: Connection, run: number): Promise<string[]> {
  const lines: string[] = [];
  for (let after = 0; ;) {
    const events = await listEvents(connection, { after, limit: pageSize }, run);
    for (const { atMs, kind, key, data } of events)
      lines.push(canonicalJson({ atMs, kind, ...(key === undefined ? {} : { key }), data }));
    if (events.length < pageSize) return lines;
    after = events.at(-1)!.seq;
  }
}

async function refsOf(connection: Connection, run: number, condition: string): Promise<string[]> {
  const rows = await connection.all<{ ref: string }>(
    `SELECT DISTINCT ref FROM reference JOIN artefact ON number = artefact WHERE run = $1 AND ${condition} ORDER BY ref`,
    [run],
  );
  return rows.map((row) => row.ref);
}

/** Everything that the runs refer to, directly or through other artefacts, in the order of their hashes. */
async function reachable(parts: RunParts, runs: readonly ManifestRun[]): Promise<Ref[]> {
  const found = new Set<string>();
  for (const { id } of runs) {
    for (const hex of await refsOf(parts.database, (await numberOf(parts.database, id))!, '1 = 1')) found.add(hex);
  }
  for (const hex of found) {
    const targets = await parts.database.all<{ ref: string }>(
      `SELECT target.ref AS ref FROM artefact AS source JOIN artefact_reference AS link ON link.source = source.number
       JOIN artefact AS target ON target.number = link.target WHERE source.ref = $1`,
      [hex],
    );
    for (const { ref } of targets) found.add(ref);
  }
  return [...found].sort().map(toRef);
}

/**
 * Reads a file that `exportRun` wrote. Throws `store.bad-archive` where a hash does not fit, `store.import-differs`
 * where this store has another log of the same run, `store.import-secret` where the file holds what `redact` removes.
 *
 * @example const { run } = await importRun(store, 'run.fiducial');
 */
export async function importRun(store: Store, path: string): Promise<ImportReport> {
  const parts = partsOf(store);
  const zip = await openZip(path);
  try {
    const bytes = Buffer.from(await zip.read('manifest.json'));
    const manifest = readManifest(bytes.toString('utf8'), path);
    const logs = new Map<string, string[]>();
    for (const run of manifest.runs) logs.set(run.id, await readLog(zip, run, path));
    // All is checked before anything is written.
    for (const { ref, purgedAtMs } of manifest.artefacts)
      if (purgedAtMs === undefined) await readArtefact(zip, ref, path);
    for (const artefact of manifest.artefacts) {
      if (artefact.purgedAtMs !== undefined) continue;
      const prepared = await parts.artefacts.prepare(await readArtefact(zip, artefact.ref, path), artefact.type);
      if (prepared.ref !== artefact.ref) throw secret(path, artefact.ref);
      await parts.database.transaction((tx) => commitBatch(tx, [{ type: 'artefact', write: prepared.write }]));
    }
    let events = 0;
    for (const run of manifest.runs) {
      events += await parts.database.transaction((tx) => importLog(tx, run, logs.get(run.id)!));
    }
    await parts.database.transaction((tx) => writeTombstones(tx, manifest.artefacts));
    return { run: manifest.run, digest: toRef(sha256(bytes)), runs: manifest.runs.length, events };
  } finally {
    await zip.close();
  }

  async function importLog(tx: Connection, run: ManifestRun, lines: readonly string[]): Promise<number> {
    const known = await numberOf(tx, run.id);
    const here = known === undefined ? [] : await logOf(tx, known);
    const shared = Math.min(here.length, lines.length);
    for (let i = 0; i < shared; i++) {
      if (here[i] === lines[i]) continue;
      throw new FiducialError(
        'store.import-differs',
        `Run ${run.id} went another way here: event ${i + 1} is ${show(here[i])}, and ${show(lines[i])} in ${path}.`,
        'Import it into a store of its own and compare the two.',
      );
    }
    const fresh = lines
      .slice(shared)
      .map((line) => JSON.parse(line) as { atMs: number; kind: string; key?: string; data: Json });
    for (const event of fresh) {
      if (parts.redact !== undefined && canonicalJson(cleanJson(event, parts.redact)) !== canonicalJson(event))
        throw secret(path, `run ${run.id}`);
    }
    const number = known ?? (await insertRun(tx, run, fresh[0]?.atMs ?? parts.now()));
    for (let at = 0; at < fresh.length; at += pageSize) {
      const batch = fresh.slice(at, at + pageSize).map((event) => ({
        ...event,
        run: number,
        runId: run.id,
        key: event.key,
        text: JSON.stringify(event.data),
      }));
      await writeEvents(tx, batch);
    }
    const numbers = await numberArtefacts(tx, run.transcripts);
    await insertRows(
      tx,
      'reference (artefact, run, reason)',
      [...numbers.values()].map((artefact) => [artefact, number, 'transcript']),
      'ON CONFLICT DO NOTHING',
    );
    return fresh.length;
  }
}

async function insertRun(tx: Connection, { id, spec }: ManifestRun, atMs: number): Promise<number> {
  const text = canonicalJson(cleanJson(spec, undefined));
  await tx.run(
    `INSERT INTO run (id, identity, method, spec, parent, created_at, updated_at, status, last_seq, search)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'created', 0, $8)`,
    [id, sha256(text), spec.method, text, spec.parent?.run ?? null, atMs, atMs, searchText(id, text)],
  );
  return (await numberOf(tx, id))!;
}

/** Text that was purged before the export stays purged, where it is not here already. */
async function writeTombstones(tx: Connection, artefacts: readonly ManifestArtefact[]): Promise<void> {
  for (const { ref, bytes, type, purgedAtMs } of artefacts) {
    if (purgedAtMs === undefined) continue;
    await numberArtefacts(tx, [hexOf(ref)]);
    await tx.run(
      `UPDATE artefact SET place = 'purged', size = $1, type = $2, purged_at = $3 WHERE ref = $4 AND place = 'absent'`,
      [bytes, type, purgedAtMs, hexOf(ref)],
    );
  }
}

function readManifest(text: string, path: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch (error) {
    throw changed(path, 'its manifest is not JSON', error);
  }
  if (manifest.format !== format)
    throw changed(path, `its manifest says ${show(manifest.format)} where ${show(format)} is meant`);
  if (manifest.version > formatVersion) {
    throw new FiducialError(
      'store.newer',
      `${path} has format version ${manifest.version}; this program knows up to ${formatVersion}.`,
      'Update fiducial.',
    );
  }
  for (const run of manifest.runs) {
    const identity = sha256(canonicalJson(cleanJson(run.spec, undefined)));
    if (!identity.startsWith(run.id) || run.id.length < 16)
      throw changed(path, `the specification of run ${show(run.id)} does not hash to its id`);
  }
  return manifest;
}

async function readLog(zip: ZipReader, run: ManifestRun, path: string): Promise<string[]> {
  const text = Buffer.from(await zip.read(`runs/${run.id}.jsonl`)).toString('utf8');
  if (sha256(text) !== run.sha256) throw changed(path, `the log of run ${run.id} does not fit its hash`);
  return text.split('\n').slice(0, -1);
}

async function readArtefact(zip: ZipReader, ref: Ref, path: string): Promise<Uint8Array> {
  const bytes = await zip.read(`artefacts/${hexOf(ref)}`);
  if (sha256(bytes) !== hexOf(ref)) throw changed(path, `the artefact ${ref} does not fit its hash`);
  return bytes;
}

function changed(path: string, what: string, cause?: unknown): FiducialError {
  return new FiducialError(
    'store.bad-archive',
    `${path} cannot be imported: ${what}.`,
    'Export the run again, or copy the file again.',
    { cause },
  );
}

function secret(path: string, what: string): FiducialError {
  return new FiducialError(
    'store.import-secret',
    `${path} holds a secret of this place, in ${what}; nothing of it was stored there.`,
    'Export it again from a store that redacts the same secrets.',
  );
}
