/**
 * `fiducial show <run>`: figures, findings, children; with `--trials` each trial, with `--item` its transcript, with
 * `--layer` another judge's reading, with `--corrected-by` corrected for a judge's errors measured since.
 */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags, withStore } from '../session.ts';

interface Flags extends StoreFlags {
  readonly trials?: boolean;
  readonly item?: string;
  readonly layer?: string;
  readonly correctedBy?: string;
  readonly limit: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('show')
      .description('show a run')
      .argument('<run>', 'its id, or the beginning of it')
      .option('--trials', 'its trials')
      .option('--item <item>', 'the transcripts of one item')
      .option('--layer <name>', "another judge's reading")
      .option('--corrected-by <run>', 'a run of evaluate/judge, by whose measured errors rates are corrected')
      .option('--limit <n>', 'most trials', '50'),
  ).action(async (id: string, flags: Flags) => {
    await withStore(flags, async (session) => {
      const run = await session.store.run(id);
      const { describeRun } = await import('../describe-run.ts');
      const { value, lines } = await describeRun(session.store, run, {
        withTrials: flags.trials === true || flags.item !== undefined,
        limit: Number(flags.limit),
        ...(flags.item === undefined ? {} : { item: flags.item }),
        ...(flags.layer === undefined ? {} : { layer: flags.layer }),
        ...(flags.correctedBy === undefined ? {} : { correctedBy: flags.correctedBy }),
      });
      print(session.isJson, value, () => lines);
    });
  });
}
