/**
 * What the commands over runs share: their flags, the configuration under them, the store, Ctrl-C, progress.
 *
 * A flag wins over the configuration, which wins over the default. Progress goes to the standard error, and only to a
 * terminal, so that the standard output holds the result alone.
 */
import type { Command } from 'commander';
import { FiducialError } from '../core/errors.ts';
import { createRedactor } from '../models/redact.ts';
import { openStore, type Store } from '../store/index.ts';
import { type Config, readConfig } from '../workbench/config.ts';
import { configuredOptions, defined } from '../workbench/configured.ts';
import { readCorrection } from '../workbench/correction.ts';
import type { OpenOptions } from '../workbench/open-models.ts';
import type { Progress } from '../workbench/progress.ts';
import type { RunOptions } from '../workbench/run.ts';

export { defined } from '../workbench/configured.ts';

export interface StoreFlags {
  readonly config?: string;
  readonly store?: string;
  readonly json?: boolean;
}
export interface RunFlags extends StoreFlags {
  readonly seed?: string;
  readonly replicate?: string;
  readonly concurrency?: string;
  readonly maxErrorShare?: string;
  readonly budgetMoney?: string;
  readonly budgetTokens?: string;
  readonly budgetCalls?: string;
  readonly prices?: string;
  readonly requestsPerMinute?: string;
  readonly tokensPerMinute?: string;
  readonly cache?: string;
  readonly correctedBy?: string;
  readonly authorised?: boolean;
}

/** The flags of every command that opens a store. */
export function storeFlags(command: Command): Command {
  return command
    .option('--store <address>', 'a folder, or postgres://user@host/database')
    .option('--config <file>', 'a configuration file other than fiducial.config.*')
    .option('--json', 'print one JSON value');
}

/** The flags of every command that makes calls. */
export function runFlags(command: Command): Command {
  return storeFlags(command)
    .option('--concurrency <n>', 'trials at once')
    .option('--max-error-share <share>', 'share of failed trials past which the run fails')
    .option('--budget-money <amount>', "most to spend, in the price file's currency")
    .option('--budget-tokens <n>', 'most tokens')
    .option('--budget-calls <n>', 'most calls')
    .option('--prices <file>', 'the price file')
    .option('--requests-per-minute <n>', 'for each endpoint')
    .option('--tokens-per-minute <n>', 'for each endpoint')
    .option('--cache <when>', 'off, deterministic or always')
    .option('--corrected-by <run>', 'a run of evaluate/judge, by whose measured errors rates are corrected')
    .option('--authorised', 'yes, I may send this to endpoints that are not this machine');
}

export interface Session {
  readonly config: Config;
  readonly store: Store;
  readonly isJson: boolean;
}

/** Opens the store, runs `body`, closes it. */
export async function withStore<T>(
  flags: StoreFlags,
  body: (session: Session) => Promise<T>,
  options: { readonly readOnly?: boolean } = {},
): Promise<T> {
  const { config } = await readConfig(flags.config);
  const store = await openStore({
    address: flags.store ?? config.store,
    redact: (text) => createdRedactor().text(text),
    ...options,
  });
  try {
    return await body({ config, store, isJson: flags.json === true });
  } finally {
    await store.close();
  }
}

let redactor: ReturnType<typeof createRedactor> | undefined;
/** One redactor a process: it reads the environment's keys. */
function createdRedactor(): ReturnType<typeof createRedactor> {
  return (redactor ??= createRedactor());
}

/** The options of a run from flags and configuration. */
export async function runOptions(session: Session, flags: RunFlags): Promise<RunOptions & OpenOptions> {
  const { config, store } = session;
  const replicate = number('replicate', flags.replicate);
  const asked: Config = {
    ...config,
    seed: flags.seed ?? config.seed,
    concurrency: number('concurrency', flags.concurrency) ?? config.concurrency,
    maxErrorShare: number('max-error-share', flags.maxErrorShare) ?? config.maxErrorShare,
    budget: {
      ...config.budget,
      ...defined({
        money: number('budget-money', flags.budgetMoney),
        tokens: number('budget-tokens', flags.budgetTokens),
        calls: number('budget-calls', flags.budgetCalls),
      }),
    },
    limits: {
      ...config.limits,
      ...defined({
        requestsPerMinute: number('requests-per-minute', flags.requestsPerMinute),
        tokensPerMinute: number('tokens-per-minute', flags.tokensPerMinute),
      }),
    },
    prices: flags.prices ?? config.prices,
    cache: cacheOf(flags.cache ?? config.cache),
  };
  return {
    ...(await configuredOptions(asked, store, createdRedactor())),
    ...(replicate === undefined ? {} : { replicate }),
    ...(flags.correctedBy === undefined
      ? {}
      : { correction: await readCorrection(store, await store.run(flags.correctedBy)) }),
  };
}

function cacheOf(word: string): 'off' | 'deterministic' | 'always' {
  if (word === 'off' || word === 'deterministic' || word === 'always') return word;
  throw new FiducialError('cli.bad-flag', `--cache ${JSON.stringify(word)}`, 'Choose off, deterministic or always.');
}

/** A flag's number. @throws FiducialError `cli.bad-flag` */
export function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new FiducialError('cli.bad-flag', `--${flag} ${JSON.stringify(text)} is no number`, 'Give a number.');
}

/** A signal that Ctrl-C aborts; a second Ctrl-C ends at once. */
export function interruptible(): { readonly signal: AbortSignal; readonly dispose: () => void } {
  const control = new AbortController();
  const stop = (): void => {
    if (control.signal.aborted) process.exit(130);
    process.stderr.write('\nStopping: what is finished is kept. Once more ends at once.\n');
    control.abort(new Error('stopped by Ctrl-C'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: control.signal,
    dispose: () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}

/** Progress on one line of a terminal. */
export function progressLine(): { readonly show: (progress: Progress) => void; readonly end: () => void } {
  if (!process.stderr.isTTY) return { show: () => {}, end: () => {} };
  let lastMs = 0;
  let isShown = false;
  return {
    show(progress) {
      const nowMs = performance.now();
      if (nowMs - lastMs < 100 && progress.done < progress.of) return;
      lastMs = nowMs;
      isShown = true;
      process.stderr.write(`\r\u001b[2K${describeProgress(progress)}`);
    },
    end() {
      if (isShown) process.stderr.write('\r\u001b[2K');
    },
  };
}

/** `attack: 12 of 100, 1 failed, 3 min left, 0.42 spent`. */
export function describeProgress({ note, done, of, errors, msLeft, spent, moneyLeft }: Progress): string {
  const parts = [`${note === '' ? '' : `${note}: `}${done} of ${of}`];
  if (errors > 0) parts.push(`${errors} failed`);
  if (msLeft !== undefined && done < of) parts.push(`${readableTime(msLeft)} left`);
  if (spent.calls > 0) parts.push(`${spent.calls} calls`);
  if (spent.money > 0) {
    parts.push(`${spent.money.toFixed(2)} spent${moneyLeft === undefined ? '' : `, ${moneyLeft.toFixed(2)} to go`}`);
  }
  return parts.join(', ');
}

export function readableTime(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Prints a result: JSON as one value, else lines. */
export function print(isJson: boolean, value: unknown, lines: () => readonly string[]): void {
  process.stdout.write(isJson ? `${JSON.stringify(value, undefined, 2)}\n` : `${lines().join('\n')}\n`);
}
