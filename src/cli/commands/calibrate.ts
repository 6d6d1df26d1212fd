/**
 * `fiducial calibrate <method...>`: sensitivity and false alarms on cases whose truth is planted; with `--save` kept as
 * the file that reports quote.
 */
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { interruptible, print, type RunFlags, runFlags, runOptions, withStore } from '../session.ts';

interface Flags extends RunFlags {
  readonly save?: boolean;
  readonly folder?: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  runFlags(
    program
      .command('calibrate')
      .description('run methods on cases whose truth is planted')
      .argument('<method...>', 'methods of the catalogue, or all')
      .option('--seed <seed>', 'a number or a word')
      .option('--save', 'keep the calibration as the file that reports quote')
      .option('--folder <folder>', 'where calibrations are kept, if not in the package'),
  ).action(async (ids: string[], flags: Flags) => {
    const [{ calibrate }, { methodOf }, { measureLines }, { catalogue }, { writeCalibration }] = await Promise.all([
      import('../../workbench/calibrate.ts'),
      import('../../workbench/resume.ts'),
      import('../outcome.ts'),
      import('../../methods/index.ts'),
      import('../../workbench/kept-calibrations.ts'),
    ]);
    const methods = ids.includes('all')
      ? catalogue.filter(({ calibration }) => !('none' in calibration))
      : ids.map((id) => methodOf(id));
    await withStore(flags, async (session) => {
      const { signal, dispose } = interruptible();
      try {
        for (const method of methods) {
          const { kept, ...result } = await calibrate(method, { ...(await runOptions(session, flags)), signal });
          const file = flags.save === true ? fileURLToPath(writeCalibration(kept, flags.folder)) : undefined;
          const value = { ...result, organisms: kept.organisms, ...(file === undefined ? {} : { file }) };
          print(session.isJson, value, () => [
            `${result.method}, code ${result.code.slice(0, 12)}, ${result.cases.length} cases`,
            ...measureLines(result.measures),
            ...kept.cases.map(
              ({ name, truth, reads, why }) => `  ${name}: is ${truth}, ${reads === null ? why : `reads ${reads}`}`,
            ),
            ...(file === undefined ? [] : [`kept in ${file}`]),
          ]);
        }
      } finally {
        dispose();
      }
    });
  });
}
