/**
 * The command line: finds the word, loads its file, and turns what went wrong into words and an exit code.
 *
 * Exit codes: 0 done, and every stated bar held; 1 measured, and it fell short; 2 could not be measured: input or use
 * that is wrong, a run that failed, stopped or waits; 3 a fault of this program. Errors go to the standard error as
 * message and advice; a stack only for faults, or with FIDUCIAL_DEBUG set. With --json an error is one JSON value too.
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
  const [word] = argv[0] === 'help' ? argv.slice(1) : argv;
  const isJson = argv.includes('--json');
  try {
    if (word === undefined || word === '--help' || word === '-h') {
      // The words alone, without loading what stands behind them.
      for (const [name, { about }] of Object.entries(commands)) program.command(name).description(about);
      program.addHelpText('after', firstSteps);
      program.outputHelp();
      return 0;
    }
    const entry = Object.hasOwn(commands, word) ? commands[word] : undefined;
    if (entry === undefined && !word.startsWith('-')) throw unknownWord(word);
    if (entry !== undefined) (await entry.load()).register(program, commands);
    const rest = argv[0] === 'help' ? [word, '--help'] : argv;
    await program.parseAsync([...rest], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error, isJson);
  }
}

const firstSteps = `
First steps:
  fiducial methods                         what there is
  fiducial run redteam/best-of-n --demo    a run that needs no key and no network
  fiducial doctor                          what this machine can do`;

function unknownWord(word: string): FiducialError {
  const known = Object.keys(commands);
  const meant = nearestWord(word, known);
  return new FiducialError(
    'cli.unknown-command',
    `There is no command ${show(word)}`,
    meant === undefined ? `Known are ${known.join(', ')}.` : `Did you mean fiducial ${meant}?`,
  );
}

function report(error: unknown, isJson: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const isDebugging = (process.env['FIDUCIAL_DEBUG'] ?? '') !== '';
  if (error instanceof FiducialError) {
    if (isJson) {
      const { code, message, hint } = error;
      process.stdout.write(`${JSON.stringify({ error: { code, message, hint } })}\n`);
    } else console.error(`fiducial: ${error.toText()}`);
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
