/**
 * Checks a store against itself: the database's files, every artefact's hash, and that the derived tables say what the
 * log says. Reads everything, so it takes time in proportion to the store; changes nothing.
 */
import { isFiducialError } from '../core/errors.ts';
import type { ArtefactStore } from './artefacts.ts';
import { trialRow } from './commit.ts';
import type { Database, Row } from './database.ts';
import { sha256, toRef } from './json.ts';
import { addTotals, noTotals, project, type Totals } from './project.ts';
import { listEvents, runColumns, type RunRow } from './query.ts';
import type { Fault, RunStatus } from './store.ts';

const pageSize = 1_000;

export async function verify(database: Database, artefacts: ArtefactStore): Promise<Fault[]> {
  const faults: Fault[] = (await database.check()).map((what) => ({ where: database.address, what }));
  for (let after = ''; ;) {
    const rows = await database.all<{ ref: string }>(
      `SELECT ref FROM artefact WHERE ref > $1 AND purged_at IS NULL AND place <> 'absent' ORDER BY ref LIMIT ${pageSize}`,
      [after],
    );
    for (const { ref } of rows) {
      try {
        await artefacts.get(toRef(ref));
      } catch (error) {
        if (!isFiducialError(error)) throw error;
        faults.push({ where: toRef(ref), what: error.message });
      }
    }
    if (rows.length < pageSize) break;
    after = rows.at(-1)!.ref;
  }
  for (const run of await database.all<RunRow>(`SELECT ${runColumns} FROM run ORDER BY number`)) {
    for (const what of await verifyRun(database, run)) faults.push({ where: `run ${run.id}`, what });
  }
  return faults;
}

async function verifyRun(database: Database, run: RunRow): Promise<string[]> {
  const faults: string[] = [];
  if (sha256(run.spec) !== run.identity) faults.push('its specification does not hash to its identity');
  const derived = await database.all('SELECT * FROM trial WHERE run = $1 ORDER BY seq', [run.number]);
  const trials = new Map(derived.map((row) => [row['seq'] as number, row]));
  const references = new Set(
    (
      await database.all<{ ref: string }>(
        'SELECT ref FROM reference JOIN artefact ON number = artefact WHERE run = $1',
        [run.number],
      )
    ).map((row) => row.ref),
  );
  let totals: Totals = noTotals;
  let status: RunStatus | undefined;
  let lastSeq = 0;
  const checkpoints = new Map<string, number>();
  for (;;) {
    const events = await listEvents(database, { after: lastSeq, limit: pageSize }, run.number);
    for (const event of events) {
      const projection = project(event.kind, event.data, JSON.stringify(event.data));
      if (projection.adds !== undefined) totals = addTotals(totals, projection.adds);
      status = projection.status?.status ?? status;
      if (projection.checkpoint !== undefined) checkpoints.set(projection.checkpoint.key, event.seq);
      if (
        projection.trial !== undefined &&
        !isSameTrial(trials.get(event.seq), trialRow(run.number, event.seq, projection.trial))
      ) {
        faults.push(`trial ${event.key ?? ''} differs from its event ${event.seq}`);
      }
      if (projection.trial !== undefined) trials.delete(event.seq);
      for (const [hex, reason] of projection.references) {
        if (!reason.startsWith('checkpoint:') && !references.has(hex))
          faults.push(`event ${event.seq} refers to ${toRef(hex)}, which is not protected`);
      }
      lastSeq = event.seq;
    }
    if (events.length < pageSize) break;
  }
  for (const seq of trials.keys()) faults.push(`trial ${seq} has no event`);
  const stored = await database.all<{ key: string; seq: number }>('SELECT key, seq FROM checkpoint WHERE run = $1', [
    run.number,
  ]);
  for (const { key, seq } of stored) {
    if (checkpoints.get(key) !== seq) faults.push(`checkpoint ${key} is not the newest of the log`);
  }
  if (status !== run.status) faults.push(`its status is ${run.status}, and ${status ?? 'nothing'} by its log`);
  if (lastSeq !== run.last_seq) faults.push(`its last event is ${lastSeq}, not ${run.last_seq}`);
  const columns = {
    ...totals,
    measured: run.measured,
    undetermined: run.undetermined,
    error: run.error,
    calls: run.calls,
    inputTokens: run.input_tokens,
    outputTokens: run.output_tokens,
  };
  for (const name of ['measured', 'undetermined', 'error', 'calls', 'inputTokens', 'outputTokens'] as const) {
    if (columns[name] !== totals[name]) faults.push(`${name} is ${columns[name]}, and ${totals[name]} by its log`);
  }
  // Sums of money were added in batches; their last digits depend on the order.
  if (Math.abs(run.cost_usd - totals.costUsd) > 1e-9 * Math.max(1, totals.costUsd))
    faults.push(`costUsd is ${run.cost_usd}, and ${totals.costUsd} by its log`);
  return faults;
}

const trialNames = [
  'seq',
  'run',
  'layer',
  'set_name',
  'item',
  'cluster',
  'status',
  'value',
  'why',
  'transcript',
] as const;

function isSameTrial(row: Row | undefined, expected: readonly unknown[]): boolean {
  return row !== undefined && trialNames.every((name, i) => row[name] === expected[i]);
}
