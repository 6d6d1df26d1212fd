/** `fiducial compare <before> <after>`: exits with 1 where a measure got worse beyond chance. */
import type { Command } from 'commander';
import { defined, print, type StoreFlags, storeFlags, withStore } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  storeFlags(
    program
      .command('compare')
      .description('compare two runs, paired where their items are the same; exits with 1 where something got worse')
      .argument('<first>', 'the run before')
      .argument('<second>', 'the run after')
      .option('--layer <name>', "another judge's reading, of both"),
  ).action(async (first: string, second: string, flags: StoreFlags & { readonly layer?: string }) => {
    const { compareRuns, describeDifference, isWorse } = await import('../../workbench/compare.ts');
    await withStore(flags, async ({ store, isJson }) => {
      const result = await compareRuns(
        await store.run(first),
        await store.run(second),
        defined({ layer: flags.layer }),
      );
      print(isJson, result, () => [
        `${result.first} -> ${result.second}; what differs: ${result.changed.join(', ') || 'nothing'}`,
        ...result.differences.map((each) => `  ${describeDifference(each)}`),
        ...(result.leftOut.length > 0 ? [`  not compared: ${result.leftOut.join(', ')}`] : []),
      ]);
      if (result.differences.some((each) => isWorse(each))) process.exitCode = 1;
    });
  });
}
