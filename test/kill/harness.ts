/**
 * Kills a real run with SIGKILL at random moments and resumes it, over and over, until it ends; then holds it against a
 * run that was never killed.
 *
 * The run is the command itself, in a process of its own, against an HTTP endpoint of this process that counts what it
 * is asked. Three things must hold: the figures are equal; a call that was committed before a kill is never asked
 * again; and at most the calls in flight at each kill are. Moments are drawn from a seed; some fall before the first
 * call. Needs nothing but Node, and a PostgreSQL server for that store.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { random } from '../../src/core/random.ts';
import type { Json } from '../../src/core/values.ts';
import { chatReply, type LocalRequest, sendJson, serve } from '../../src/models/local-endpoint.ts';
import { openStore } from '../../src/store/index.ts';

export interface KillOptions {
  readonly kills: number;
  readonly seed: number | string;
  readonly concurrency?: number;
  /** Address of an empty store; a folder of its own unless told. */
  readonly store?: string;
  readonly print?: (line: string) => void;
}

export interface KillReport {
  readonly kills: number;
  /** Calls that the endpoint answered in all, and different ones among them. */
  readonly answered: number;
  readonly distinct: number;
  /** Calls asked again although they had been committed: must be empty. */
  readonly repeatedAfterCommit: readonly string[];
  /** Most calls that were asked again after one kill. */
  readonly mostRepeated: number;
  /** Outcome and trials of the killed and of the whole run. */
  readonly killed: Figures;
  readonly whole: Figures;
}

export interface Figures {
  readonly measures: Json;
  readonly trials: readonly string[];
  readonly calls: number;
}

const bin = fileURLToPath(new URL('../../bin/fiducial.mjs', import.meta.url));

/** Runs the harness. @throws Error where a child ends in another way than by its kill or with its outcome */
export async function killAndResume(options: KillOptions): Promise<KillReport> {
  const { kills, concurrency = 8, print = () => {} } = options;
  const own = random(options.seed).split('kill harness');
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-kill-'));
  const asked = new Map<string, number>();
  const committed = new Set<string>();
  const repeatedAfterCommit: string[] = [];
  let onAsked = (): void => {};
  const endpoint = await serve(async (request, response) => {
    const key = keyOf(request);
    if (committed.has(key)) repeatedAfterCommit.push(key);
    asked.set(key, (asked.get(key) ?? 0) + 1);
    onAsked();
    await new Promise((resolve) => setTimeout(resolve, 5));
    // The reply follows from the ask alone, so that a killed and a whole run can be compared.
    const isBreach = random(key).uniform() < 0.1;
    sendJson(response, chatReply({ text: isBreach ? 'CANARY' : 'no' }));
  });
  try {
    const rows = join(folder, 'rows.jsonl');
    const count = Math.max(20, kills * 3);
    writeFileSync(
      rows,
      Array.from({ length: count }, (_, i) => `${JSON.stringify({ id: `r${i}`, request: `request ${i}` })}\n`).join(''),
    );
    const words =
      `run redteam/best-of-n --target openai-compatible:${endpoint.url}/v1#m --verdict contains:CANARY ` +
      `--attempts 6 --no-baseline --json --concurrency ${concurrency}`;
    const command = (store: string): string[] => [bin, ...words.split(' '), '--requests', rows, '--store', store];
    const wholeStore = join(folder, 'whole');
    await toEnd(command(wholeStore));
    const whole = await figuresOf(wholeStore);
    asked.clear();

    const store = options.store ?? join(folder, 'killed');
    let done = 0;
    let mostRepeated = 0;
    let isOver = false;
    while (done < kills && !isOver) {
      const before = new Map(asked);
      const child = spawn(process.execPath, command(store), { stdio: ['ignore', 'pipe', 'pipe'] });
      const isEarly = own.uniform() < 0.1;
      const afterCalls = 1 + own.integer(24);
      const afterMs = isEarly ? own.integer(1500) : own.integer(12);
      let seen = 0;
      const kill = (): void => void setTimeout(() => child.kill('SIGKILL'), afterMs);
      if (isEarly) kill();
      onAsked = () => {
        seen++;
        if (!isEarly && seen === afterCalls) kill();
      };
      const { signal, code, stderr } = await ended(child);
      onAsked = () => {};
      if (signal === 'SIGKILL') done++;
      else if (code === 0) isOver = true;
      else throw new Error(`the run ended with ${code} after ${done} kills:\n${stderr}`);
      const again = [...before].filter(([key, times]) => asked.get(key)! > times).length;
      mostRepeated = Math.max(mostRepeated, again);
      for (const key of await committedCalls(store)) committed.add(key);
      if (done % 20 === 0) print(`${done} kills, ${asked.size} calls, ${repeatedAfterCommit.length} repeated`);
    }
    if (!isOver) await toEnd(command(store));
    const answered = [...asked.values()].reduce((sum, times) => sum + times, 0);
    const killed = await figuresOf(store);
    return { kills: done, answered, distinct: asked.size, repeatedAfterCommit, mostRepeated, killed, whole };
  } finally {
    await endpoint.close();
    rmSync(folder, { recursive: true });
  }
}

/** An ask, told from every other of the run: its words and its seed. */
function keyOf({ json }: LocalRequest): string {
  const messages = json?.['messages'] as readonly { readonly content: Json }[];
  return JSON.stringify([contentOf(messages[0]!.content), json?.['seed'] ?? null]);
}

function contentOf(content: Json): Json {
  return Array.isArray(content) ? (content as readonly { text: string }[]).map(({ text }) => text).join('') : content;
}

/** The asks whose replies are in the store, as the endpoint would see them. */
async function committedCalls(address: string): Promise<string[]> {
  const store = await openStore({ address });
  try {
    const [info] = (await store.runs()).items;
    if (info === undefined) return [];
    const run = await store.run(info.id);
    const keys: string[] = [];
    for (let after = 0; ;) {
      const page = await run.calls({ after, limit: 5_000 });
      for (const { body } of page) {
        const { request } = (await store.artefacts.getJson(body)) as unknown as {
          readonly request: { readonly messages: readonly { readonly content: string }[]; readonly seed?: number };
        };
        keys.push(JSON.stringify([request.messages[0]!.content, request.seed ?? null]));
      }
      if (page.length < 5_000) return keys;
      after = page.at(-1)!.seq;
    }
  } finally {
    await store.close();
  }
}

async function figuresOf(address: string): Promise<Figures> {
  const store = await openStore({ address });
  try {
    const [info] = (await store.runs()).items;
    const run = await store.run(info!.id);
    const event = await run.event('outcome', 'outcome');
    const trials: string[] = [];
    for await (const { item, status, ...rest } of run.eachTrial({ order: 'item' })) {
      trials.push(JSON.stringify([item, status, 'value' in rest ? rest.value : null, rest.why ?? null]));
    }
    const { outcome } = event!.data as unknown as { readonly outcome: { readonly measures: Json } };
    return { measures: outcome.measures, trials, calls: info!.usage.calls };
  } finally {
    await store.close();
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

function ended(child: ReturnType<typeof spawn>): Promise<Ended> {
  let stderr = '';
  child.stdout?.resume();
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stderr }));
  });
}

async function toEnd(command: readonly string[]): Promise<void> {
  const result = await ended(spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] }));
  if (result.code !== 0) throw new Error(`the run ended with ${result.code}:\n${result.stderr}`);
}
