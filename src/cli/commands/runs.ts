/** `fiducial runs`: what is in the store, newest first. */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags, withStore } from '../session.ts';

interface Flags extends StoreFlags {
  readonly method?: string;
  readonly status?: string;
  readonly text?: string;
  readonly limit: string;
  readonly all?: boolean;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('runs')
      .description('list the runs, newest first')
      .option('--method <id>', 'of this method, or of a family: redteam/')
      .option('--status <status>', 'created, running, waiting, stopped, failed or done')
      .option('--text <words>', 'that mention all of these words')
      .option('--limit <n>', 'how many', '20')
      .option('--all', 'child runs too'),
  ).action(async (flags: Flags) => {
    const { columns } = await import('../columns.ts');
    const { number } = await import('../session.ts');
    const { statusOf } = await import('../statuses.ts');
    await withStore(flags, async ({ store, isJson }) => {
      const page = await store.runs({
        ...(flags.method === undefined ? {} : { method: flags.method }),
        ...(flags.status === undefined ? {} : { status: statusOf(flags.status) }),
        ...(flags.text === undefined ? {} : { text: flags.text }),
        ...(flags.all === true ? {} : { parent: null }),
        limit: number('limit', flags.limit) ?? 20,
      });
      print(isJson, page, () =>
        page.items.length === 0
          ? [`no runs in ${store.address}; fiducial run redteam/best-of-n --demo makes one`]
          : [
              ...columns(
                ['run', 'method', 'status', 'trials', 'undetermined', 'errors', 'calls', 'begun'],
                page.items.map(({ id, spec, status, trials, usage, createdAtMs }) => [
                  id,
                  spec.method,
                  status,
                  String(trials.measured + trials.undetermined + trials.error),
                  String(trials.undetermined),
                  String(trials.error),
                  String(usage.calls),
                  new Date(createdAtMs).toISOString().slice(0, 16).replace('T', ' '),
                ]),
                [3, 4, 5, 6],
              ),
              ...(page.total > page.items.length ? [`${page.items.length} of ${page.total}`] : []),
            ],
      );
    });
  });
}
