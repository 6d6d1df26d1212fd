/** `fiducial doctor`: what this machine can do, and what to do about what it cannot. Exits with 2 where it cannot run. */
import type { Command } from 'commander';
import { print, type StoreFlags, storeFlags } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(program.command('doctor').description('check this machine, and say what to do')).action(
    async (flags: StoreFlags) => {
      const { examine } = await import('../examine.ts');
      const checks = await examine(flags.store, flags.config);
      print(flags.json === true, checks, () =>
        checks.flatMap(({ name, state, what, todo }) => [
          `${{ good: 'ok  ', note: 'note', bad: 'BAD ' }[state]}  ${name}: ${what}`,
          ...(todo === undefined ? [] : [`      ${todo}`]),
        ]),
      );
      if (checks.some(({ state }) => state === 'bad')) process.exitCode = 2;
    },
  );
}
