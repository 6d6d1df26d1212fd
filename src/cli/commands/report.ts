/** `fiducial report <run...>`: stored runs as one HTML file, and as Markdown, JSON, JUnit XML and SARIF. */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags, withStore } from '../session.ts';

interface Flags extends StoreFlags {
  readonly out: string;
  readonly form: readonly string[];
  readonly transcripts: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('report')
      .description('write a report of stored runs, with their children')
      .argument('<run...>', 'ids, or the beginnings of them')
      .option('--out <folder>', 'where the files go', 'fiducial-report')
      .option('--form <form...>', 'html, md, json, junit, sarif', ['html'])
      .option('--transcripts <n>', 'most transcripts of one run', '40'),
  ).action(async (ids: string[], flags: Flags) => {
    const { collectReport, standingOf, verdictOf, writeReport } = await import('../../workbench/report/index.ts');
    const { formsOf } = await import('../report-forms.ts');
    const forms = formsOf(flags.form);
    const { number } = await import('../session.ts');
    await withStore(flags, async (session) => {
      const runs = await Promise.all(ids.map((id) => session.store.run(id)));
      const report = await collectReport(session.store, runs, {
        transcripts: number('transcripts', flags.transcripts) ?? 40,
      });
      const files = await writeReport(report, flags.out, forms);
      print(session.isJson, { files, standing: standingOf(report), verdict: verdictOf(report) }, () => [
        verdictOf(report),
        ...files,
      ]);
    });
  });
}
