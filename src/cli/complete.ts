/**
 * What can stand next on the command line: words, methods, and the flags of the method that was named.
 *
 * The scripts ask this program, so that they need no update when a method comes; they hold no list of their own.
 */
import { Command } from 'commander';
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import { catalogue } from '../methods/index.ts';
import type { CommandTable } from './command-file.ts';
import { addMethodFlags } from './method-flags.ts';
import { runFlags } from './session.ts';

/** The candidates after these words; the last one is being typed. */
export async function completionsOf(words: readonly string[], commands: CommandTable): Promise<string[]> {
  const typed = words.at(-1) ?? '';
  const [word, subject] = words.slice(0, -1);
  const candidates = await candidatesFor(commands, word, subject);
  return candidates.filter((each) => each.startsWith(typed));
}

async function candidatesFor(
  commands: CommandTable,
  word: string | undefined,
  subject: string | undefined,
): Promise<string[]> {
  if (word === undefined) return Object.keys(commands);
  const methods = catalogue.map(({ id }) => id);
  if (word === 'run') {
    if (subject === undefined) return methods;
    const method = catalogue.find(({ id }) => id === subject);
    if (method === undefined) return [];
    const command = runFlags(new Command());
    addMethodFlags(command, method);
    const own = ['--demo', '--power', '--dry-run', '--bar', '--seed', '--replicate', '--params', '--help'];
    return [...command.options.map(({ long }) => long ?? ''), ...own];
  }
  if ((word === 'methods' || word === 'calibrate') && subject === undefined) return methods;
  const entry = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (entry === undefined) return [];
  const program = new Command();
  (await entry.load()).register(program, commands);
  const command = program.commands.find((each) => each.name() === word);
  const flags = command?.options.flatMap(({ long }) => (long === undefined ? [] : [long])) ?? [];
  return [...(command?.commands.map((each) => each.name()) ?? []), ...flags];
}

/** @throws FiducialError `cli.unknown-shell` */
export function completionScript(shell: string): string {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script !== undefined) return script;
  const meant = nearestWord(shell, Object.keys(scripts));
  throw new FiducialError(
    'cli.unknown-shell',
    `There is no completion for ${show(shell)}`,
    meant === undefined ? 'Choose bash, zsh or fish.' : `Did you mean ${meant}?`,
  );
}

const scripts: Readonly<Record<string, string>> = {
  bash: `_fiducial() {
  local IFS=$'\\n'
  COMPREPLY=($(fiducial completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _fiducial fiducial`,
  zsh: `#compdef fiducial
_fiducial() {
  local -a candidates
  candidates=("\${(@f)$(fiducial completion words -- "\${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
  compadd -a candidates || _files
}
compdef _fiducial fiducial`,
  fish: `complete -c fiducial -a '(fiducial completion words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};
