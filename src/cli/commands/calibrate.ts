/** `fiducial calibrate <method>`: its sensitivity and false alarms on cases whose truth is planted. */
import type { Command } from 'commander';
import { interruptible, print, type RunFlags, runFlags, runOptions, withStore } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  runFlags(
    program
      .command('calibrate')
      .description('run a method on cases whose truth is planted')
      .argument('<method>', 'a method of the catalogue')
      .option('--seed <seed>', 'a number or a word'),
  ).action(async (id: string, flags: RunFlags) => {
    const [{ calibrate }, { methodOf }, { measureLines }] = await Promise.all([
      import('../../workbench/calibrate.ts'),
      import('../../workbench/resume.ts'),
      import('../outcome.ts'),
    ]);
    await withStore(flags, async (session) => {
      const { signal, dispose } = interruptible();
      try {
        const result = await calibrate(methodOf(id), { ...(await runOptions(session, flags)), signal });
        print(session.isJson, result, () => [
          `${result.method}, code ${result.code.slice(0, 12)}, ${result.cases.length} cases`,
          ...measureLines(result.measures),
          ...result.cases.map(
            (each) =>
              `  ${each.item}: ${each.status === 'measured' ? `reads ${each.value === 1 ? 'present' : 'absent'}` : each.why}`,
          ),
        ]);
      } finally {
        dispose();
      }
    });
  });
}
