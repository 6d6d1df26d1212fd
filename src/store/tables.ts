/**
 * A run as tables for other tools: all events as JSON Lines, all trials as Parquet.
 *
 * Parquet has one row a trial and layer, with null where nothing was measured: what could not be decided must not
 * become a number on the way into somebody's analysis.
 */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { FiducialError } from '../core/errors.ts';
import { measuredValue } from './project.ts';
import type { Run, Trial } from './store.ts';

/**
 * Writes every event of a run, a line each: `{"seq":1,"run":"...","atMs":...,"kind":"...","key":"...","data":...}`.
 * Returns how many.
 */
export async function exportEvents(run: Run, path: string): Promise<number> {
  const aside = `${path}.${process.pid}.part`;
  let count = 0;
  async function* lines() {
    for (let after = 0; ;) {
      const events = await run.events({ after, limit: 5_000 });
      count += events.length;
      yield events.map((event) => `${JSON.stringify(event)}\n`).join('');
      if (events.length < 5_000) return;
      after = events.at(-1)!.seq;
    }
  }
  await whole(path, aside, () => pipeline(lines, createWriteStream(aside)));
  return count;
}

/** Writes aside and renames, so that the file is whole or is not there. */
async function whole(path: string, aside: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw new FiducialError(
      'store.unwritable',
      `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      'Name a folder with space that you may write to.',
      { cause: error },
    );
  }
}

/**
 * Writes every trial of a run and its layers: set, layer, item, cluster, status, value, why, transcript, seq. Returns
 * how many.
 *
 * @example await exportTrials(run, 'trials.parquet'); // SELECT avg(value) FROM 'trials.parquet' WHERE status = 'measured'
 */
export async function exportTrials(run: Run, path: string): Promise<number> {
  const { parquetWriteFile } = await import('hyparquet-writer');
  const trials: Trial[] = [];
  for (const layer of ['', ...(await run.layers()).map(({ name }) => name)]) {
    for await (const trial of run.eachTrial({ layer })) trials.push(trial);
  }
  const text = (name: string, of: (trial: Trial) => string | undefined, nullable = false) => ({
    name,
    data: trials.map((trial) => of(trial) ?? null),
    type: 'STRING' as const,
    nullable,
  });
  const aside = `${path}.${process.pid}.part`;
  await whole(path, aside, async () =>
    parquetWriteFile({
      filename: aside,
      columnData: [
        text('run', () => run.id),
        text('set', (trial) => trial.set),
        text('layer', (trial) => trial.layer),
        text('item', (trial) => trial.item),
        text('cluster', (trial) => trial.cluster, true),
        text('status', (trial) => trial.status),
        { name: 'value', data: trials.map((trial) => measuredValue(trial) ?? null), type: 'DOUBLE', nullable: true },
        text('why', (trial) => trial.why, true),
        text('transcript', (trial) => trial.transcript, true),
        { name: 'seq', data: trials.map((trial) => BigInt(trial.seq)), type: 'INT64', nullable: false },
      ],
    }),
  );
  return trials.length;
}
