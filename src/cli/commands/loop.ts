/**
 * `fiducial loop`: a model through the whole loop once: attack, assess, treat, attack again, report.
 *
 * Without arguments it runs on the embedded lab. A plan is shown first; `--plan` stops there, `--yes` skips the
 * question. Exit code 0 where every bar held, 1 where one fell short or was not shown, 2 where it could not be measured.
 */
import type { Command } from 'commander';
import { FiducialError } from '../../core/errors.ts';
import type { Given } from '../../methods/method.ts';
import { loop, planLines, planLoop, prepareLoop } from '../../workbench/loop/index.ts';
import type { Progress } from '../../workbench/progress.ts';
import { addParamFlags, readMethodFlags } from '../method-flags.ts';
import {
  describeProgress,
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
  readonly target?: string;
  readonly attacker?: string;
  readonly judge?: string;
  readonly requests?: string;
  readonly allowed?: string;
  readonly skills?: string;
  readonly labels?: string;
  readonly full?: boolean;
  readonly bar?: readonly string[];
  readonly budget?: string;
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly out?: string;
  readonly form?: readonly string[];
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('loop')
    .description('take a model through the whole loop, and write the report; without arguments, a model of the lab')
    .option('--target <model>', 'the model: an endpoint, a checkpoint folder, lab:<name>')
    .option('--attacker <model>', 'the model that writes attacks')
    .option('--judge <model>', 'the model that judges replies')
    .option('--requests <file>', 'what must not be carried out: rows { id, request, category?, cluster? }')
    .option('--allowed <file>', 'what must be answered: rows { id, request, kind: benign or borderline }')
    .option('--skills <file>', 'questions with known answers: rows { id, prompt, accepted }')
    .option('--labels <file>', 'labelled replies { id, request, reply, label } that the judge is measured on')
    .option('--full', 'measure at least 400 pairs of each kind; may take an hour')
    .option('--bar <bar...>', 'what must hold, for example "attack success, after <= 5%"')
    .option('--plan', 'show the plan, with every setting, and stop')
    .option('--yes', 'do not ask before it begins')
    .option('--budget <amount>', "most to spend, in the price file's currency")
    .option('--seed <seed>', 'a number or a word')
    .option('--out <folder>', 'the folder of the report')
    .option('--form <form...>', 'html, md, json, junit, sarif');
  addParamFlags(command, loop);
  runFlags(command).addHelpText(
    'after',
    '\nExamples:\n  fiducial loop\n  fiducial loop --target ./checkpoint --bar "attack success, after <= 5%"\n  fiducial loop --target openai-compatible:http://localhost:8000/v1#model --plan\n\nExit codes: 0 every bar held, 1 one fell short, 2 could not be measured. Guide: docs/guides/loop.md',
  );
  command.action(async (flags: Flags) => {
    process.exitCode = await withStore(flags, (session) => execute(session, flags, command.opts()));
  });
}

async function execute(session: Session, flags: Flags, all: Readonly<Record<string, unknown>>): Promise<number> {
  const [{ formsOf }, { parseBar, stateBars }] = await Promise.all([
    import('../report-forms.ts'),
    import('../../workbench/bars.ts'),
  ]);
  const base = await runOptions(session, {
    ...flags,
    ...(flags.budget === undefined ? {} : { budgetMoney: flags.budget }),
  });
  const { params: flagged } = readMethodFlags(loop, all);
  const settings = {
    ...session.config.loop,
    ...definedOf(flags, ['target', 'attacker', 'judge', 'requests', 'allowed', 'skills', 'labels', 'out']),
    ...(flags.full === true ? { size: 'full' as const } : {}),
    params: { ...session.config.loop.params, ...flagged },
  };
  const forms = formsOf(flags.form ?? settings.forms);
  const bars = (flags.bar ?? settings.bars).map(parseBar);
  const prepared = await prepareLoop(settings, base);
  const { given, params, fillings } = prepared;
  try {
    const plan = await planLoop(prepared.models, prepared.material, params, {
      concurrency: base.concurrency ?? 32,
      prices: base.prices,
    });
    const lines = planLines(plan);
    if (flags.plan === true) {
      const { stringify } = await import('yaml');
      const everything = { ...settings, params };
      print(session.isJson, { plan, settings: everything }, () => [...lines, '', 'settings:', stringify(everything)]);
      return 0;
    }
    const say = (line: string): void => void process.stderr.write(`${line}\n`);
    lines.forEach(say);
    await mayBegin(plan.money, prepared.sending.hosts, flags);
    const { requireAuthorisation } = await import('../../workbench/authorise.ts');
    await requireAuthorisation(prepared.sending, flags.authorised === true, asking());
    const { runMethod } = await import('../../workbench/run.ts');
    const { signal, dispose } = interruptible();
    const line = liveProgress(say);
    try {
      const command = ['fiducial', 'loop', ...process.argv.slice(3)];
      const result = await runMethod(loop, params, given as Given<typeof loop.needs>, {
        ...base,
        signal,
        onProgress: line.show,
        request: { fillings, command },
      });
      line.end();
      await stateBars(result.run, bars);
      const { collectReport, writeReport, verdictOf } = await import('../../workbench/report/index.ts');
      const report = await collectReport(session.store, [result.run]);
      const files = await writeReport(report, flags.out ?? settings.out, forms);
      const { reportResult } = await import('../report-result.ts');
      const code = await reportResult(session.isJson, result, bars);
      say([verdictOf(report), ...files.map((file) => `report: ${file}`)].join('\n'));
      return code;
    } finally {
      line.end();
      dispose();
    }
  } finally {
    await prepared.close();
  }
}

function definedOf<K extends keyof Flags>(
  flags: Flags,
  keys: readonly K[],
): { [P in K]?: Exclude<Flags[P], undefined> } {
  return Object.fromEntries(keys.flatMap((key) => (flags[key] === undefined ? [] : [[key, flags[key]]]))) as {
    [P in K]?: Exclude<Flags[P], undefined>;
  };
}

/** Whoever pays is asked; where nobody can be asked, only a loop that costs nothing begins. */
async function mayBegin(money: number | undefined, hosts: readonly string[], flags: Flags): Promise<void> {
  if (flags.yes === true || hosts.length === 0) return;
  const ask = asking();
  const cost = money === undefined ? 'at a cost that is not known' : `at most ${money.toFixed(2)}`;
  if (ask !== undefined && (await ask(`Begin, ${cost}?`))) return;
  throw new FiducialError(
    'loop.not-begun',
    `The loop was not begun: nobody said yes to ${cost}`,
    'Pass --yes, and --budget to cap it.',
  );
}

function asking(): ((question: string) => Promise<boolean>) | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  return async (question) => {
    const { confirm, isCancel } = await import('@clack/prompts');
    const answer = await confirm({ message: question, initialValue: false, output: process.stderr });
    return !isCancel(answer) && answer;
  };
}

/** One line that moves in a terminal; elsewhere a plain line when a part ends, and every ten seconds. */
function liveProgress(say: (line: string) => void): {
  readonly show: (progress: Progress) => void;
  readonly end: () => void;
} {
  if (process.stderr.isTTY) return progressLine();
  let lastMs = performance.now();
  return {
    show(progress) {
      const nowMs = performance.now();
      if (progress.done < progress.of && nowMs - lastMs < 10_000) return;
      lastMs = nowMs;
      say(describeProgress(progress));
    },
    end() {},
  };
}
