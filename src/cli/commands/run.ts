/**
 * `fiducial run <method>`: the method's own roles and parameters are its flags.
 *
 * Before anything is sent it is said what and where; `--power` and `--dry-run` stop there. Exit code 0 where every bar
 * held, 1 where one fell short or was not shown, 2 where nothing could be measured.
 */
import { Command, Option } from 'commander';
import type { AnyMethod, Given, Needs } from '../../methods/method.ts';
import {
  interruptible,
  print,
  progressLine,
  type RunFlags,
  runFlags,
  runOptions,
  type Session,
  withStore,
} from '../session.ts';

interface Flags extends RunFlags {
  readonly demo?: boolean;
  readonly power?: boolean;
  readonly expect?: string;
  readonly dryRun?: boolean;
  readonly bar?: readonly string[];
  readonly params?: string;
  readonly workers?: boolean;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('run')
    .description('run a method: fiducial run <method> --help shows its roles and parameters')
    .argument('[method]', 'a method of the catalogue, for example redteam/best-of-n')
    .argument('[flags...]', 'its roles and parameters')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (id: string | undefined, _: unknown, __: unknown, command: Command) => {
      if (id === undefined || id.startsWith('-')) {
        process.stdout.write(
          'fiducial run <method> [flags]\n\nfiducial methods lists the methods; fiducial run <method> --help shows one.\n',
        );
        return;
      }
      process.exitCode = await runCommand(id, command.args.slice(1));
    });
}

async function runCommand(id: string, args: readonly string[]): Promise<number> {
  const { methodOf } = await import('../../workbench/resume.ts');
  const { addMethodFlags } = await import('../method-flags.ts');
  const method = methodOf(id);
  const command = new Command(`fiducial run ${id}`)
    .description(`${method.title}. ${method.question}`)
    .exitOverride()
    .configureHelp({ sortOptions: false });
  addMethodFlags(command, method);
  command
    .option('--params <file>', 'parameters from a YAML or JSON file; flags win')
    .option('--demo', 'the smallest honest run, on models with a planted truth: no key, no network')
    .option('--power', 'say what a run of this size can show, and stop')
    .option('--expect <rate>', 'the rate that --power reckons with')
    .option('--dry-run', 'say what would be sent and where, and stop')
    .option('--workers', 'hand it to the workers of a PostgreSQL store (fiducial worker), and wait')
    .option('--bar <bar...>', 'a bar that must hold, for example "attack success <= 5%"')
    .option('--seed <seed>', 'a number or a word')
    .addOption(new Option('--replicate <n>', 'another sample of the same run: 1, 2, ...'));
  runFlags(command).addHelpText(
    'after',
    `\nExamples:\n  fiducial run ${id} --demo\n  docs: docs/methods/${id}.md\n\nExit codes: 0 every bar held, 1 one fell short, 2 could not be measured.`,
  );
  command.parse([...args], { from: 'user' });
  const flags = command.opts<Flags>();
  return await withStore(flags, (session) => execute(session, method, flags, command.opts()));
}

async function execute(
  session: Session,
  method: AnyMethod,
  flags: Flags,
  all: Readonly<Record<string, unknown>>,
): Promise<number> {
  const [{ readMethodFlags }, { openGiven, modelsIn }, { describeSending, requireAuthorisation }, { parseBar }] =
    await Promise.all([
      import('../method-flags.ts'),
      import('../../workbench/open-models.ts'),
      import('../../workbench/authorise.ts'),
      import('../../workbench/bars.ts'),
    ]);
  const options = await runOptions(session, flags);
  const { params: flagged, fillings } = readMethodFlags(method, all);
  const bars = (flags.bar ?? []).map(parseBar);
  const isDemo = flags.demo === true;
  const params = {
    ...(isDemo ? (method.demo.params as object) : session.config.methods[method.id]),
    ...(flags.params === undefined ? {} : await readParams(flags.params)),
    ...flagged,
  };
  const given = (isDemo ? await method.demo.given() : await openGiven(method, fillings, options)) as Given<Needs>;
  const rows = Object.values(given).flatMap((each) =>
    each !== null && typeof each === 'object' && 'rows' in each ? [each.rows.length] : [],
  );
  if (flags.power === true) return await showPower(session, Math.max(0, ...rows), flags, bars[0]?.value);

  const sending = describeSending(
    method,
    modelsIn(method, given),
    rows.reduce((sum, each) => sum + each, 0),
  );
  if (flags.dryRun === true) {
    print(session.isJson, { ...sending, params }, () => [sending.what, ...sending.sentences]);
    return 0;
  }
  await requireAuthorisation(sending, flags.authorised === true, askOrNot());
  const { runMethod } = await import('../../workbench/run.ts');
  const { reportResult } = await import('../report-result.ts');
  const { signal, dispose } = interruptible();
  const line = progressLine();
  try {
    if (flags.workers === true) {
      const { runOnWorkers } = await import('../on-workers.ts');
      const address = flags.store ?? session.config.store;
      const pricesPath = flags.prices ?? session.config.prices;
      const handing = { method, params, fillings, isDemo, options, address, pricesPath, signal };
      return await reportResult(session.isJson, await runOnWorkers(session, handing), bars);
    }
    const result = await runMethod(method, params, given, {
      ...options,
      signal,
      onProgress: line.show,
      request: isDemo ? { isDemo } : { fillings },
    });
    line.end();
    const { stateBars } = await import('../../workbench/bars.ts');
    await stateBars(result.run, bars);
    return await reportResult(session.isJson, result, bars);
  } finally {
    line.end();
    dispose();
  }
}

/** A question to the person at the terminal; undefined where there is none. */
function askOrNot(): ((question: string) => Promise<boolean>) | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  return async (question) => {
    const { confirm, isCancel } = await import('@clack/prompts');
    const answer = await confirm({ message: question, initialValue: false, output: process.stderr });
    return !isCancel(answer) && answer;
  };
}

async function readParams(path: string): Promise<object> {
  const [{ readFile }, { parse }, { FiducialError }] = await Promise.all([
    import('node:fs/promises'),
    import('yaml'),
    import('../../core/errors.ts'),
  ]);
  const value = parse(await readFile(path, 'utf8')) as unknown;
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value;
  throw new FiducialError('cli.bad-params', `${path} holds no parameters`, 'Write name: value, one a line.');
}

async function showPower(session: Session, n: number, flags: Flags, bar: number | undefined): Promise<number> {
  const [{ describePower, powerOf }, { FiducialError }, { number }] = await Promise.all([
    import('../../workbench/power.ts'),
    import('../../core/errors.ts'),
    import('../session.ts'),
  ]);
  if (n === 0) {
    throw new FiducialError(
      'power.no-items',
      'There are no rows to reckon with',
      'Name the file of rows as for the run itself.',
    );
  }
  const expected = number('expect', flags.expect);
  const power = powerOf(n, {
    ...(expected === undefined ? {} : { expected }),
    ...(bar === undefined ? {} : { bar }),
  });
  print(session.isJson, power, () => describePower(power));
  return 0;
}
