/** `fiducial rescore <run> --verdict rubric --judge <model>`: another judge over the same transcripts. */
import type { Command } from 'commander';
import { interruptible, print, type RunFlags, runFlags, runOptions, withStore } from '../session.ts';

interface Flags extends RunFlags {
  readonly verdict: string;
  readonly judge?: string;
  readonly layer?: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  runFlags(
    program
      .command('rescore')
      .description('let another judge read the transcripts of a run; the target is not asked again')
      .argument('<run>', 'its id, or the beginning of it')
      .option('--verdict <word>', 'rubric, contains:<text>, matches:<pattern> or complies', 'rubric')
      .option('--judge <model>', 'the judging model, for the verdict rubric')
      .option('--layer <name>', "the layer's name; the judge's identity unless told"),
  ).action(async (id: string, flags: Flags) => {
    const [{ rescore }, { openModel }, { requireAuthorisation }, { describeEgress }, { measureLines }] =
      await Promise.all([
        import('../../workbench/rescore.ts'),
        import('../../workbench/open-models.ts'),
        import('../../workbench/authorise.ts'),
        import('../../models/egress.ts'),
        import('../outcome.ts'),
      ]);
    await withStore(flags, async (session) => {
      const options = await runOptions(session, flags);
      const run = await session.store.run(id);
      const model = flags.judge === undefined ? undefined : await openModel(flags.judge, options);
      const away = describeEgress(model === undefined ? [] : [model]).filter(({ isLocal }) => !isLocal);
      await requireAuthorisation(
        {
          what: `The requests and replies of run ${run.id}`,
          hosts: away.map(({ host, address }) => host ?? address),
          sentences: away.map(({ sentence }) => sentence),
        },
        flags.authorised === true,
      );
      const { signal, dispose } = interruptible();
      try {
        const result = await rescore(run, flags.verdict, model, {
          ...options,
          signal,
          ...(flags.layer === undefined ? {} : { layer: flags.layer }),
        });
        print(session.isJson, result, () => [
          `run ${run.id} as ${result.judge} reads it, layer ${JSON.stringify(result.layer)}, ${result.trials} trials`,
          ...measureLines(result.measures, new Set(result.measures.map(({ name }) => name))),
          ...(result.unread > 0 ? [`  ${result.unread} trials have no transcript and are undetermined here`] : []),
          ...(result.leftOut.length > 0 ? [`  not taken again: ${result.leftOut.join(', ')}`] : []),
        ]);
      } finally {
        dispose();
      }
    });
  });
}
