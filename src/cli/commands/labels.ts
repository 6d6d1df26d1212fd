/**
 * `fiducial labels <run>`: its questions out as CSV, people's answers in, preference pairs out.
 *
 * The CSV that goes out has an empty column `value`; the same file comes back with it filled.
 */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags, withStore } from '../session.ts';

interface Flags extends StoreFlags {
  readonly out?: string;
  readonly in?: string;
  readonly labeller?: string;
  readonly pairs?: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('labels')
      .description("a run's questions out, people's labels in")
      .argument('<run>', 'its id, or the beginning of it')
      .option('--out <file.csv>', 'write the open questions; fill the column value')
      .option('--in <file>', 'read labels: columns name, item, value, and labeller or --labeller')
      .option('--labeller <name>', 'who labelled')
      .option('--pairs <file.jsonl>', 'write preference pairs { prompt, chosen, rejected }'),
  ).action(async (id: string, flags: Flags) => {
    const { pairsOut, questionsOut, readLabels } = await import('../../workbench/material/labels.ts');
    await withStore(flags, async ({ store, isJson }) => {
      const run = await store.run(id);
      const result: Record<string, unknown> = { run: run.id };
      const lines: string[] = [];
      if (flags.in !== undefined) {
        const count = await readLabels(run, flags.in, flags.labeller);
        result['read'] = count;
        lines.push(`${count} labels read; fiducial resume ${run.id} goes on with them`);
      }
      if (flags.out !== undefined) {
        const count = await questionsOut(run, flags.out);
        result['written'] = count;
        lines.push(`${count} open questions written to ${flags.out}`);
      }
      if (flags.pairs !== undefined) {
        const count = await pairsOut(run, flags.pairs);
        result['pairs'] = count;
        lines.push(`${count} preference pairs written to ${flags.pairs}`);
      }
      const open = await run.questions();
      result['open'] = open.length;
      lines.push(`${open.length} questions are open`);
      print(isJson, result, () => lines);
    });
  });
}
