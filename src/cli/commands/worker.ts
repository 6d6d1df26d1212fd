/** `fiducial worker --store postgres://...`: works on the runs of a shared store until it is stopped. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { FiducialError } from '../../core/errors.ts';
import { interruptible, type StoreFlags, storeFlags } from '../session.ts';

interface Worker {
  work(options: { readonly store: string; readonly concurrency?: number; readonly signal: AbortSignal }): Promise<void>;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('worker')
      .description('work on the runs of a PostgreSQL store, with other machines')
      .option('--concurrency <n>', 'units at once'),
  ).action(async (flags: StoreFlags & { readonly concurrency?: string }) => {
    const { readConfig } = await import('../../workbench/config.ts');
    const { config } = await readConfig(flags.config);
    const { signal, dispose } = interruptible();
    try {
      const concurrency = flags.concurrency === undefined ? config.concurrency : Number(flags.concurrency);
      await (await loadWorker()).work({ store: flags.store ?? config.store, concurrency, signal });
    } finally {
      dispose();
    }
  });
}

/** The worker is a part of its own; where it is not there yet, that is said. */
async function loadWorker(): Promise<Worker> {
  const file = new URL(`../../workbench/worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
  if (existsSync(file)) return (await import(file.href)) as Worker;
  throw new FiducialError(
    'worker.absent',
    'This version has no worker for several machines yet',
    'fiducial run works in one process, with --concurrency.',
  );
}
