/**
 * How long `fiducial --version` takes and how much memory it holds, as a user of the package meets it.
 *
 * Needs nothing built: `--version` loads nothing from `dist/`. The package is a folder with `bin/` and package.json,
 * without `src/`. A bare `node` that prints one line stands beside it, since most of the time is its own.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FiducialError } from '../src/core/errors.ts';
import type { Harness } from './harness.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const printPeak =
  'data:text/javascript,process.on("exit",()=>process.stderr.write(String(process.resourceUsage().maxRSS*1024)))';

export async function run(harness: Harness): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-start-'));
  try {
    cpSync(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    const version = [join(folder, 'bin', 'fiducial.mjs'), '--version'];
    const bare = ['-e', 'console.log(1)'];
    const turns = { 'fiducial --version': () => node(version), 'bare node': () => node(bare) };
    await harness.compare('start', turns, { runs: 20, isElsewhere: true });
    const peaks = Array.from({ length: 5 }, () => Number(node(['--import', printPeak, ...version]).stderr));
    harness.record('start, fiducial --version, peak resident memory', peaks, { unit: 'bytes' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs node to its end and returns what it wrote to standard error. */
function node(args: readonly string[]): { stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new FiducialError('bench.start-failed', `node ${args.join(' ')} ended with ${status}: ${stderr}`, '');
  return { stderr };
}
