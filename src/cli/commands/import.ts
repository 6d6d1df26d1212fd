/**
 * `fiducial import <file>`: a run (`.fiducial`), an Inspect log (`.eval`), or a promptfoo configuration (YAML or JSON),
 * whose rows are written as JSONL beside the command that runs them; what does not map is listed by name.
 */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags, withStore } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('import')
      .description('read a run, an Inspect log or a promptfoo configuration')
      .argument('<file>', 'x.fiducial, x.eval, or promptfooconfig.yaml')
      .option('--out <file>', 'where the rows of a promptfoo configuration go', 'requests.jsonl'),
  ).action(async (file: string, flags: StoreFlags & { readonly out: string }) => {
    if (/\.(ya?ml|json)$/.test(file)) {
      await importPromptfoo(file, flags);
      return;
    }
    const { importInspect, importRun } = await import('../../store/index.ts');
    await withStore(flags, async ({ store, isJson }) => {
      if (file.endsWith('.eval')) {
        const { run, samples, trials } = await importInspect(store, file);
        print(isJson, { run: run.id, samples, trials }, () => [`run ${run.id}: ${samples} samples, ${trials} trials`]);
        return;
      }
      const report = await importRun(store, file);
      print(isJson, report, () => [`run ${report.run}: ${report.runs} runs, ${report.events} new events`]);
    });
  });
}

async function importPromptfoo(file: string, flags: { readonly out: string; readonly json?: boolean }): Promise<void> {
  const [{ readPromptfoo }, { writeFile }] = await Promise.all([
    import('../../workbench/material/promptfoo.ts'),
    import('node:fs/promises'),
  ]);
  const { rows, targets, judge, unmapped } = await readPromptfoo(file);
  const written = rows.map(({ id, request, cluster }) => ({ id, request, cluster }));
  await writeFile(flags.out, written.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const commands = (targets.length === 0 ? ['<model>'] : targets).map(
    (target) =>
      `fiducial run redteam/best-of-n --target '${target}' --requests ${flags.out} --attempts 1 --sigma 0 --no-baseline` +
      (judge === undefined ? '' : ` --verdict '${judge}'`),
  );
  print(flags.json === true, { rows: rows.length, out: flags.out, targets, judge, unmapped, commands }, () => [
    `${rows.length} rows written to ${flags.out}`,
    ...commands.map((command) => `  ${command}`),
    ...(unmapped.length === 0 ? [] : ['', `${unmapped.length} things have no counterpart here:`]),
    ...unmapped.map((each) => `  ${each}`),
  ]);
}
