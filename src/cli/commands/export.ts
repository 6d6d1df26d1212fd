/** `fiducial export <run> <file>`: the form follows the ending: .fiducial, .eval, .jsonl or .parquet. */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags, withStore } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('export')
      .description('write a run to a file')
      .argument('<run>', 'its id, or the beginning of it')
      .argument('<file>', 'x.fiducial (all of it), x.eval (Inspect), x.jsonl (events), x.parquet (trials)'),
  ).action(async (id: string, file: string, flags: StoreFlags) => {
    const { exportEvents, exportInspect, exportRun, exportTrials } = await import('../../store/index.ts');
    const { FiducialError, show } = await import('../../core/errors.ts');
    await withStore(flags, async ({ store, isJson }) => {
      const run = await store.run(id);
      const ending = /\.[a-z]+$/.exec(file)?.[0];
      if (ending === '.fiducial') {
        const report = await exportRun(store, run.id, file);
        print(isJson, report, () => [
          `${file}: ${report.runs} runs, ${report.events} events, ${report.artefacts} artefacts, ${report.bytes} bytes`,
          `digest ${report.digest}`,
        ]);
        return;
      }
      const writers: Record<string, () => Promise<number>> = {
        '.eval': () => exportInspect(store, run, file),
        '.jsonl': () => exportEvents(run, file),
        '.parquet': () => exportTrials(run, file),
      };
      const write = ending === undefined ? undefined : writers[ending];
      if (write === undefined) {
        throw new FiducialError(
          'cli.bad-ending',
          `${show(file)} names no form`,
          'End it in .fiducial, .eval, .jsonl or .parquet.',
        );
      }
      const count = await write();
      print(isJson, { path: file, count }, () => [`${file}: ${count} lines`]);
    });
  });
}
