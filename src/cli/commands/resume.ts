/** `fiducial resume <run>`: goes on with a run that was stopped, killed, failed or waits. */
import type { Command } from 'commander';
import { interruptible, progressLine, type RunFlags, runFlags, runOptions, withStore } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  runFlags(
    program
      .command('resume')
      .description('go on with a run; finished calls and trials are not repeated')
      .argument('<run>', 'its id, or the beginning of it')
      .option('--bar <bar...>', 'a bar that must hold'),
  ).action(async (id: string, flags: RunFlags & { readonly bar?: readonly string[] }) => {
    const [{ resumeRun }, { parseBar }, { reportResult }] = await Promise.all([
      import('../../workbench/resume.ts'),
      import('../../workbench/bars.ts'),
      import('../report-result.ts'),
    ]);
    process.exitCode = await withStore(flags, async (session) => {
      const bars = (flags.bar ?? []).map(parseBar);
      const { signal, dispose } = interruptible();
      const line = progressLine();
      try {
        const options = await runOptions(session, flags);
        const run = await session.store.run(id);
        const result = await resumeRun(run, { ...options, signal, onProgress: line.show });
        line.end();
        return await reportResult(session.isJson, result, bars);
      } finally {
        line.end();
        dispose();
      }
    });
  });
}
