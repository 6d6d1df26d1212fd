/**
 * `fiducial lab`: the lab's models with what was planted in them and how strong it is, from their manifests; `lab chat`
 * talks to one, `lab build` makes them again from seeds, or many more for calibrations. A build that was stopped goes on.
 */
import type { Command } from 'commander';
import type { BuildFlags } from '../lab/build.ts';
import type { ChatFlags } from '../model/chat.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('the models of the lab, their traits, and how strong each is in the organism and in its twin')
    .option('--json', 'print the manifests as one JSON value', false)
    .addHelpText(
      'after',
      '\nExample:\n  fiducial lab chat jailbreakable\n  fiducial run redteam/templates --target lab:jailbreakable ...',
    )
    .action(async ({ json }: { readonly json: boolean }) => {
      const { printLab } = await import('../lab/table.ts');
      await printLab(json);
    });

  lab
    .command('chat')
    .description('talk to a model of the lab; /new starts over, /quit or Ctrl-D ends')
    .argument('<model>', 'as fiducial lab lists them')
    .option('--system <text>', 'a system message')
    .option('--temperature <number>', 'what sampling is divided by; 0 takes the most likely token', '0')
    .option('--top-p <number>', 'keep the most likely tokens up to this sum of probabilities')
    .option('--max-tokens <number>', 'longest reply', '120')
    .option('--seed <number>', 'the same seed, the same replies')
    .action(async (name: string, flags: Omit<ChatFlags, 'plain' | 'adapter'>) => {
      const { chatInLab } = await import('../lab/chat.ts');
      await chatInLab(name, flags);
    });

  lab
    .command('build')
    .description('build models from their seeds; what is there already is left as it is')
    .option('--only <name...>', 'these models alone')
    .option('--again', 'also those that are there already', false)
    .option('--into <folder>', 'where to; by default the repository in a clone, else the cache')
    .option('--calibration', 'many independent organisms, into the cache', false)
    .option('--traits <names>', 'with --calibration: which traits, parted by commas')
    .option('--count <number>', 'with --calibration: organisms of each trait', '20')
    .action(async (flags: BuildFlags) => {
      const { buildLab } = await import('../lab/build.ts');
      await buildLab(flags);
    });
}
