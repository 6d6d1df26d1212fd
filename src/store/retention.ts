/**
 * Collection of what nothing refers to, and purge of transcripts.
 *
 * Addresses are hashes, so references can't form a cycle: an artefact without a referrer is dead, and removing it may
 * leave others without one. Each step checks and deletes in one write transaction, with the file removed under the same
 * lock under which files are put in place, so no writer can come in between. A purge leaves the row as a tombstone.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { FiducialError } from '../core/errors.ts';
import { pathOf } from './artefacts.ts';
import { writeEvents } from './commit.ts';
import { type Connection, type Database, placeholders } from './database.ts';
import type { CollectReport, PurgeReport } from './store.ts';

export const defaultGraceMs = 60 * 60 * 1_000;
const stepSize = 500;

interface Candidate {
  readonly number: number;
  readonly ref: string;
  readonly size: number;
  readonly place: string;
}

const nothingRefers = `NOT EXISTS (SELECT 1 FROM reference WHERE reference.artefact = artefact.number)
  AND NOT EXISTS (SELECT 1 FROM pin WHERE pin.artefact = artefact.number)
  AND NOT EXISTS (SELECT 1 FROM artefact_reference WHERE artefact_reference.target = artefact.number)`;

/** Removes dead artefacts that were put before `beforeMs`, then files that no row knows. */
export async function collect(
  database: Database,
  folder: string | undefined,
  beforeMs: number,
): Promise<CollectReport> {
  let artefacts = 0;
  let bytes = 0;
  for (;;) {
    const removed = await database.transaction(async (tx) => {
      const dead = await tx.all<Candidate>(
        `SELECT number, ref, size, place FROM artefact WHERE touched_at <= $1 AND ${nothingRefers} LIMIT ${stepSize}`,
        [beforeMs],
      );
      await remove(tx, folder, dead);
      return dead;
    });
    // Those that only these referred to are found by the next step.
    if (removed.length === 0) break;
    artefacts += removed.length;
    for (const { size } of removed) bytes += size;
  }
  if (folder !== undefined) await removeStrays(database, folder, beforeMs);
  await database.compact();
  return { artefacts, bytes };
}

/** Removes one artefact if it is dead. */
export async function drop(
  database: Database,
  folder: string | undefined,
  hex: string,
  beforeMs: number,
): Promise<void> {
  await database.transaction(async (tx) => {
    const dead = await tx.all<Candidate>(
      `SELECT number, ref, size, place FROM artefact WHERE ref = $1 AND touched_at <= $2 AND ${nothingRefers}`,
      [hex, beforeMs],
    );
    await remove(tx, folder, dead);
  });
}

async function remove(tx: Connection, folder: string | undefined, dead: readonly Candidate[]): Promise<void> {
  if (dead.length === 0) return;
  const numbers = dead.map(({ number }) => number);
  const list = placeholders(1, numbers.length);
  await removeBytes(tx, folder, dead);
  await tx.run(`DELETE FROM artefact_reference WHERE source IN (${list})`, numbers);
  await tx.run(`DELETE FROM artefact WHERE number IN (${list})`, numbers);
}

async function removeBytes(tx: Connection, folder: string | undefined, artefacts: readonly Candidate[]): Promise<void> {
  const chunked = artefacts.flatMap(({ number, place }) => (place === 'chunks' ? [number] : []));
  if (chunked.length > 0)
    await tx.run(`DELETE FROM chunk WHERE artefact IN (${placeholders(1, chunked.length)})`, chunked);
  for (const { ref, place } of artefacts) {
    if (place !== 'file') continue;
    if (folder === undefined) {
      throw new FiducialError(
        'store.missing',
        `The bytes of sha256:${ref} lie in a folder, and none was named.`,
        'Open the store with the shared folder that it was written with.',
      );
    }
    rmSync(pathOf(folder, ref), { force: true });
  }
}

/** Files whose writer was killed before their row was made. */
async function removeStrays(database: Database, folder: string, beforeMs: number): Promise<void> {
  for (const directory of await readdir(folder).catch(() => [])) {
    for (const name of await readdir(join(folder, directory))) {
      const path = join(folder, directory, name);
      const info = await stat(path).catch(() => undefined);
      if (info === undefined || info.mtimeMs > beforeMs) continue;
      if (directory === 'tmp') await rm(path, { force: true });
      else {
        await database.transaction(async (tx) => {
          const rows = await tx.all(`SELECT 1 FROM artefact WHERE ref = $1 AND place = 'file'`, [directory + name]);
          if (rows.length === 0) rmSync(path, { force: true });
        });
      }
    }
  }
}

/** Removes the text of runs; see `Store.purge`. */
export async function purge(
  database: Database,
  folder: string | undefined,
  nowMs: number,
  options: { readonly runs?: readonly string[]; readonly olderThanMs?: number },
): Promise<PurgeReport> {
  if (options.runs === undefined && options.olderThanMs === undefined) {
    throw new FiducialError(
      'store.bad-purge',
      'A purge of everything is not possible.',
      'Say which runs, or how old they must be.',
    );
  }
  const beforeMs = options.olderThanMs === undefined ? undefined : nowMs - options.olderThanMs;
  const known = await database.all<{ number: number; id: string; updated_at: number }>(
    'SELECT number, id, updated_at FROM run',
  );
  const wanted = options.runs === undefined ? undefined : new Set(options.runs);
  for (const id of wanted ?? []) {
    if (!known.some((run) => run.id === id))
      throw new FiducialError('store.no-run', `There is no run ${id}.`, 'fiducial runs lists them.');
  }
  const chosen = known.filter(
    (run) => (wanted?.has(run.id) ?? true) && (beforeMs === undefined || run.updated_at <= beforeMs),
  );
  let transcripts = 0;
  let bytes = 0;
  let runs = 0;
  // A transcript that several of the chosen runs share goes only when the last of them gave it up.
  for (const run of chosen) {
    await database.transaction(async (tx) => {
      await tx.run(
        `INSERT INTO reference (artefact, run, reason) SELECT artefact, run, 'purged' FROM reference WHERE run = $1 AND reason = 'transcript' ON CONFLICT DO NOTHING`,
        [run.number],
      );
      await tx.run(`DELETE FROM reference WHERE run = $1 AND reason = 'transcript'`, [run.number]);
    });
    const removed = await purgeGivenUp(database, folder, run.number, nowMs);
    if (removed.transcripts === 0) continue;
    const data = { transcripts: removed.transcripts, bytes: removed.bytes };
    await database.transaction((tx) =>
      writeEvents(tx, [
        {
          run: run.number,
          runId: run.id,
          kind: 'purged',
          key: undefined,
          data,
          text: JSON.stringify(data),
          atMs: nowMs,
        },
      ]),
    );
    transcripts += removed.transcripts;
    bytes += removed.bytes;
    runs++;
  }
  if (beforeMs !== undefined)
    await database.transaction((tx) => tx.run('DELETE FROM cache WHERE at <= $1', [beforeMs]));
  // Parts of transcripts that were artefacts of their own.
  await collect(database, folder, nowMs - defaultGraceMs);
  return { runs, transcripts, bytes };
}

async function purgeGivenUp(database: Database, folder: string | undefined, run: number, nowMs: number) {
  let transcripts = 0;
  let bytes = 0;
  for (;;) {
    const removed = await database.transaction(async (tx) => {
      const found = await tx.all<Candidate>(
        `SELECT number, ref, size, place FROM reference AS given JOIN artefact ON number = given.artefact
         WHERE given.run = $1 AND given.reason = 'purged' AND purged_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM pin WHERE pin.artefact = number)
           AND NOT EXISTS (SELECT 1 FROM reference AS claim WHERE claim.artefact = number
             AND (claim.reason IN ('transcript', 'kept') OR claim.reason LIKE 'checkpoint:%'))
         LIMIT ${stepSize}`,
        [run],
      );
      if (found.length === 0) return found;
      const numbers = found.map(({ number }) => number);
      await removeBytes(tx, folder, found);
      await tx.run(`DELETE FROM artefact_reference WHERE source IN (${placeholders(1, numbers.length)})`, numbers);
      await tx.run(
        `UPDATE artefact SET bytes = NULL, place = 'purged', purged_at = $1 WHERE number IN (${placeholders(2, numbers.length)})`,
        [nowMs, ...numbers],
      );
      return found;
    });
    if (removed.length === 0) return { transcripts, bytes };
    transcripts += removed.length;
    for (const { size } of removed) bytes += size;
  }
}
