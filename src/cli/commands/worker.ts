/**
 * `fiducial worker --store postgres://...`: works on the runs that were submitted to a shared store, until it is told to
 * leave. An interrupt hands its work back first; a second one leaves at once, and others take the work over when its
 * lease lapses. Exit codes: 0 it left when asked; 2 this machine cannot do the work, with what it lacks.
 */
import type { Command } from 'commander';
import { interruptible, type StoreFlags, storeFlags } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('worker')
      .description('work on the runs of a PostgreSQL store, with other machines')
      .option('--concurrency <n>', 'trials at once on this machine'),
  )
    .addHelpText(
      'after',
      '\nStart one on each machine, with the keys of its providers in the environment:\n' +
        '  fiducial worker --store postgres://lab@db.example/fiducial',
    )
    .action(async (flags: StoreFlags & { readonly concurrency?: string }) => {
      const [{ readConfig }, { work }, { FiducialError, show }] = await Promise.all([
        import('../../workbench/config.ts'),
        import('../../workbench/worker/index.ts'),
        import('../../core/errors.ts'),
      ]);
      const { config } = await readConfig(flags.config);
      const concurrency = Number(flags.concurrency ?? config.concurrency);
      if (!Number.isInteger(concurrency) || concurrency < 1) {
        throw new FiducialError(
          'cli.bad-number',
          `--concurrency ${show(flags.concurrency)} is not a number of trials`,
          'Give a whole number from 1 up.',
        );
      }
      const { signal, dispose } = interruptible();
      try {
        await work({
          address: flags.store ?? config.store,
          concurrency,
          signal,
          say: (line) => console.error(`${new Date().toISOString()} ${line}`),
        });
      } finally {
        dispose();
      }
    });
}
