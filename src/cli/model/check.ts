/**
 * `fiducial model check`: does this engine agree with the one that trained the model? Prints the worst absolute and
 * relative error of each kind of value in `expected.safetensors`.
 */
import { stat } from 'node:fs/promises';
import { FiducialError } from '../../core/errors.ts';
import { isAdapterFolder, resolveModel } from '../../network/checkpoint/index.ts';
import { checkNetwork, expectedFile, loadAdapter, Network, withAdapters } from '../../network/index.ts';
import { columns } from '../columns.ts';

export interface CheckFlags {
  readonly base?: string;
  readonly json: boolean;
}

/** Checks and prints. @returns whether everything is within the tolerances */
export async function checkModel(folder: string, flags: CheckFlags): Promise<boolean> {
  const place = await resolveModel(folder);
  const expected = expectedFile(place);
  const network = await openChecked(place, folder, flags.base);
  await requireFile(expected);
  const rows = await checkNetwork(network, expected);
  const ok = rows.every(({ isOk }) => isOk);
  if (flags.json) {
    const base = flags.base === undefined ? {} : { base: flags.base };
    console.log(JSON.stringify({ ok, folder, ...base, rows }, undefined, 2));
    return ok;
  }
  const lines = columns(
    ['kind', 'compared', 'worst absolute', 'worst relative', 'tolerance', 'worst at', ''],
    rows.map((row) => [
      row.kind,
      String(row.compared),
      error(row.absolute),
      error(row.relative),
      error(row.tolerance),
      row.worst,
      row.isOk ? 'ok' : 'FAILED',
    ]),
    [1, 2, 3, 4],
  );
  console.log(lines.join('\n'));
  const failed = rows.filter(({ isOk }) => !isOk).map(({ kind }) => kind);
  console.log(ok ? 'The model gives the expected values.' : `Past the tolerance: ${failed.join(', ')}.`);
  return ok;
}

async function openChecked(place: string, given: string, base: string | undefined): Promise<Network> {
  const isAdapter = await isAdapterFolder(place);
  if (base === undefined) {
    if (!isAdapter) return Network.open(place);
    throw new FiducialError(
      'network.adapter',
      `${given} holds an adapter, which alone is no model`,
      `Name the model that it is for: fiducial model check ${given} --base <folder>`,
    );
  }
  if (!isAdapter) {
    throw new FiducialError(
      'network.adapter',
      `${given} is no adapter folder: adapter_config.json is not there, or a config.json is`,
      'Leave out --base to check a whole model.',
    );
  }
  const network = await Network.open(base);
  return withAdapters(network, [await loadAdapter(network, place)]);
}

async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (found?.isFile() === true) return;
  throw new FiducialError(
    'network.check',
    `${path}: there are no known answers beside the model`,
    'Save tokens [batch, time] with logits, hidden.N, attention.N, loss, grad.NAME or greedy as expected.safetensors, from the library that trained it.',
  );
}

const error = (value: number): string => (Number.isInteger(value) ? String(value) : value.toExponential(2));
