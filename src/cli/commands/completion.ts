/** `fiducial completion <shell>`: words for bash, zsh and fish. `fiducial completion words ...` is what they ask. */
import type { Command } from 'commander';
import type { CommandTable } from '../command-file.ts';

/** Adds the command to the program. */
export function register(program: Command, table: CommandTable): void {
  program
    .command('completion')
    .description('print the completion for bash, zsh or fish: source <(fiducial completion bash)')
    .argument('<shell>', 'bash, zsh or fish')
    .argument('[words...]', 'what was typed so far, for the shell itself')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (shell: string, words: readonly string[]) => {
      const { completionScript, completionsOf } = await import('../complete.ts');
      const lines = shell === 'words' ? await completionsOf(words, table) : [completionScript(shell)];
      process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    });
}
