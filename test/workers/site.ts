/**
 * A small site of many machines: a PostgreSQL server, an endpoint that counts its calls, and worker processes.
 *
 * The workers are real `fiducial worker` commands in processes of their own. What the endpoint replies depends on what it
 * is asked alone, so that a run by several workers and one by a single process can be held against each other exactly.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Outcome } from '../../src/core/index.ts';
import { bestOfN } from '../../src/methods/redteam/best-of-n.ts';
import type { AnyMethod, Given, Needs } from '../../src/methods/method.ts';
import { chatReply, type LocalEndpoint, sendJson, serve } from '../../src/models/local-endpoint.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { openGiven } from '../../src/workbench/open-models.ts';
import { runMethod } from '../../src/workbench/run.ts';
import { submit, type SharedOptions, type Submitted } from '../../src/workbench/worker/index.ts';

export interface CountingEndpoint extends LocalEndpoint {
  /** When each call arrived, in milliseconds. */
  readonly arrivals: readonly number[];
  /** How often each question was asked. */
  readonly asked: ReadonlyMap<string, number>;
  /** Forgets what it was asked so far. */
  readonly forget: () => void;
}

/** Replies after `delayMs`; every fourth question or so gets through. */
export async function countingEndpoint(delayMs: number): Promise<CountingEndpoint> {
  const arrivals: number[] = [];
  const asked = new Map<string, number>();
  const endpoint = await serve(async ({ json, body }, response) => {
    arrivals.push(performance.now());
    asked.set(body, (asked.get(body) ?? 0) + 1);
    const { messages } = json as { readonly messages: readonly { readonly content: string }[] };
    const hash = createHash('sha256').update(messages.at(-1)!.content).digest();
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    sendJson(response, chatReply({ text: hash[0]! % 4 === 0 ? 'Here: CANARY' : 'No.' }));
  });
  const forget = (): void => {
    arrivals.length = 0;
    asked.clear();
  };
  return Object.assign(endpoint, { arrivals, asked, forget });
}

/** The most arrivals in any span of this length, wherever it begins. */
export function mostWithin(arrivals: readonly number[], spanMs: number): number {
  const sorted = [...arrivals].sort((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (let last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! >= spanMs) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

export interface WorkerProcess {
  readonly child: ChildProcess;
  /** What it printed so far. */
  readonly log: () => string;
  /** Until it printed this. */
  readonly said: (pattern: RegExp) => Promise<void>;
  readonly ended: Promise<number | null>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

export function startWorker(address: string, concurrency = 8): WorkerProcess {
  return start(['bin/fiducial.mjs', 'worker', '--store', address, '--concurrency', String(concurrency)]);
}

/** A script of this folder as a process. */
export function startScript(name: string, args: readonly string[]): WorkerProcess {
  return start(['--import', 'tsx', join('test', 'workers', name), ...args]);
}

function start(command: readonly string[]): WorkerProcess {
  const child = spawn(process.execPath, [...command], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  const listeners = new Set<() => void>();
  child.stderr.on('data', (text: Buffer) => {
    log += text.toString();
    for (const listener of listeners) listener();
  });
  const ended = new Promise<number | null>((resolve) =>
    child.once('exit', (code) => {
      for (const listener of listeners) listener();
      resolve(code);
    }),
  );
  return {
    child,
    log: () => log,
    ended,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(log)) resolve();
          else if (child.exitCode === null && child.signalCode === null) return;
          else reject(new Error(`the worker ended without ${String(pattern)}:\n${log}`));
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
  };
}

/** Ends workers the hard way, whatever state they are in. */
export async function endWorkers(workers: readonly WorkerProcess[]): Promise<void> {
  for (const { child } of workers) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await Promise.all(workers.map(({ ended }) => ended));
}

export interface Task {
  readonly items: number;
  readonly attempts: number;
  readonly seed: number;
  readonly baseline?: boolean;
}

export interface Site {
  readonly folder: string;
  readonly endpoint: CountingEndpoint;
  close(): Promise<void>;
}

export async function openSite(delayMs: number): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-workers-'));
  const endpoint = await countingEndpoint(delayMs);
  return {
    folder,
    endpoint,
    async close() {
      await endpoint.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const method: AnyMethod = bestOfN;

function paramsOf({ attempts, baseline = true }: Task): Record<string, unknown> {
  return { attempts, verdict: 'contains:CANARY', baseline };
}

function fillingsOf(site: Site, { items }: Task): Record<string, string> {
  return { target: `openai-compatible:${site.endpoint.url}/v1#m`, requests: rowsOf(site, items) };
}

/** A file of so many rows. */
export function rowsOf(site: Site, items: number): string {
  const path = join(site.folder, `requests-${items}.jsonl`);
  const rows = Array.from({ length: items }, (_, i) => ({ id: `r${i}`, request: `Please hand over item ${i}` }));
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

/** Hands the task to the workers of a store. */
export async function submitTask(
  site: Site,
  task: Task,
  address: string,
  shared: SharedOptions = {},
): Promise<Submitted> {
  return await submit(method, paramsOf(task), fillingsOf(site, task), { address, seed: task.seed, shared });
}

/** The same task in this process, over a store of its own. */
export async function aloneOutcome(site: Site, task: Task): Promise<{ outcome: Outcome; calls: number }> {
  const store = await openStore({ address: join(site.folder, `alone-${task.seed}-${task.items}`) });
  try {
    const given = (await openGiven(method, fillingsOf(site, task))) as Given<Needs>;
    const result = await runMethod(method, paramsOf(task) as object, given, { store, seed: task.seed });
    if (result.status !== 'done') throw new Error(`the run in one process is ${result.status}`);
    return { outcome: result.outcome, calls: (await result.run.info()).usage.calls };
  } finally {
    await store.close();
  }
}

/** Trials of a run so far. */
export async function trialsOf(store: Store, run: string): Promise<number> {
  const { trials } = await (await store.run(run)).info();
  return trials.measured + trials.undetermined + trials.error;
}

/** Until a run has so many trials. */
export async function untilTrials(store: Store, run: string, count: number): Promise<void> {
  while ((await trialsOf(store, run)) < count) await new Promise((resolve) => setTimeout(resolve, 50));
}
