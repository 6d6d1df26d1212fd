/**
 * The command line: finds the word, loads its file, and turns what went wrong into words and an exit code.
 *
 * Exit codes: 0 done; 1 done, and what was checked does not hold; 2 input or use that is wrong; 3 a fault of this
 * program. Errors go to the standard error as message and advice; a stack only for faults, or with FIDUCIAL_DEBUG set.
 */
import { Command, CommanderError } from 'commander';
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import { commands } from './commands.ts';

/** Runs one command. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('fiducial')
    .description('An alignment workbench: attack, assess, open, treat and measure a model again.')
    .exitOverride()
    .showHelpAfterError('(--help says more)')
    .option('-V, --version', 'print the version')
    // What is written to a pipe must be out before the process ends.
    .configureOutput({ writeOut: (text) => void process.stdout.write(text) });
  const [word] = argv;
  try {
    const loader = word === undefined ? undefined : Object.hasOwn(commands, word) ? commands[word] : undefined;
    if (loader === undefined) {
      if (word !== undefined && !word.startsWith('-') && word !== 'help') throw unknownWord(word);
      for (const load of Object.values(commands)) (await load()).register(program);
    } else (await loader()).register(program);
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

function unknownWord(word: string): FiducialError {
  const known = Object.keys(commands);
  const meant = nearestWord(word, known);
  return new FiducialError(
    'cli.unknown-command',
    `There is no command ${show(word)}`,
    meant === undefined ? `Known are ${known.join(', ')}.` : `Did you mean fiducial ${meant}?`,
  );
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const isDebugging = (process.env['FIDUCIAL_DEBUG'] ?? '') !== '';
  if (error instanceof FiducialError) {
    console.error(`fiducial: ${error.toText()}`);
    if (isDebugging) console.error(error);
    return 2;
  }
  if (error instanceof Error && 'syscall' in error && !isDebugging) {
    // The system refused a file or an address: EACCES, ENOSPC, EADDRINUSE.
    console.error(`fiducial: ${error.message}`);
    return 2;
  }
  console.error('fiducial: a fault of this program; please report it with what follows.');
  console.error(error);
  return 3;
}
