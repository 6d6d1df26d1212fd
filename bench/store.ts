/**
 * The embedded store: opening, appending, the whole record of an evaluation, replay, lists and pages.
 *
 * The record of a case is a finished call (request and reply of some 300 characters each), a transcript and a trial,
 * awaited in turn by 32 workers, as a run does it. CPU is user and system time of this process, which other work on the
 * machine moves less than wall time. Everything lies in a temporary folder, which is removed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Observation } from '../src/core/index.ts';
import { openStore, type Run, type RunSpec, type Store } from '../src/store/index.ts';
import type { Harness } from './harness.ts';

const repetitions = 3;
const cases = 10_000;

const spec = (seed: number): RunSpec => ({
  method: seed % 2 === 0 ? 'redteam/pair' : 'evaluate/harm',
  params: { depth: 3, topic: `topic ${seed}` },
  models: { target: 'm' },
  seed,
  hashes: { code: 'c' },
});

/** Milliseconds of wall and CPU time. */
async function timed(body: () => Promise<unknown>): Promise<{ wallMs: number; cpuMs: number }> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await body();
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1_000 };
}

async function recordCases(run: Run, prefix: string): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < cases) {
      const item = `${prefix} ${next++}`;
      const question = `Say something about ${item}. ${'context '.repeat(30)}`;
      const reply = `An answer to ${item}. ${'word '.repeat(50)}`;
      await run.recordCall(item, {
        model: 'm',
        request: { messages: [{ role: 'user', content: question }] },
        reply: { text: reply },
        inputTokens: 60,
        outputTokens: 55,
        costUsd: 0.0001,
        latencyMs: 50,
      });
      const transcript = await run.keepTranscript({
        messages: [
          { role: 'user', content: question },
          { role: 'assistant', content: reply },
        ],
      });
      await run.recordTrial('cases', { item, status: 'measured', value: 1, transcript });
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

async function appends(harness: Harness, run: Run): Promise<void> {
  const note = (i: number) => run.append({ kind: 'note', data: { i, text: 'x'.repeat(200) } });
  const single: number[] = [];
  const batched: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const one = await timed(async () => {
      for (let i = 0; i < 1_000; i++) await note(i);
    });
    single.push(1_000 / (one.wallMs / 1_000));
    const many = await timed(() => Promise.all(Array.from({ length: 20_000 }, (_, i) => note(i))));
    batched.push(20_000 / (many.wallMs / 1_000));
  }
  harness.record('appends, one at a time', single, { unit: 'events/s' });
  harness.record('appends, 20,000 at once', batched, { unit: 'events/s' });
}

async function evaluation(harness: Harness, store: Store): Promise<void> {
  const cpuMs: number[] = [];
  const wallMs: number[] = [];
  const replayMs: number[] = [];
  const { run } = await store.open(spec(2));
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const recorded = await timed(() => recordCases(run, `case ${repetition}`));
    cpuMs.push(recorded.cpuMs / cases);
    wallMs.push(recorded.wallMs / cases);
    const replayed = await timed(async () => {
      for (let i = 0; i < cases; i++) await run.call(`case ${repetition} ${i}`);
    });
    replayMs.push(replayed.wallMs / cases);
  }
  const note = `${cases} cases: a call, a transcript and a trial each`;
  harness.record('a case recorded, CPU', cpuMs, { unit: 'ms', note });
  harness.record('a case recorded, wall', wallMs, { unit: 'ms', note });
  harness.record('a call replayed, wall', replayMs, { unit: 'ms' });
}

const trial = (i: number): Observation =>
  i % 10 === 0
    ? { item: `item ${i}`, cluster: `c${i % 50}`, status: 'error', why: 'timeout' }
    : { item: `item ${i}`, cluster: `c${i % 50}`, status: 'measured', value: i % 7 };

async function pages(harness: Harness, store: Store): Promise<void> {
  const { run } = await store.open(spec(3));
  for (let i = 0; i < 100_000; i += 5_000) {
    await Promise.all(Array.from({ length: 5_000 }, (_, j) => run.recordTrial('s', trial(i + j))));
  }
  for (let i = 4; i < 10_004; i++) await store.open(spec(i));
  const { next } = await run.trials({ limit: 100 });
  const measures: Record<string, () => Promise<unknown>> = {
    '100 of 100,000 trials': () => run.trials({ limit: 100, cursor: next! }),
    '100 of 100,000 trials, by value': () => run.trials({ limit: 100, order: 'value' }),
    '100 of 100,000 trials, searched': () => run.trials({ limit: 100, text: 'item 9999' }),
    'counts of 100,000 trials': () => run.counts(),
    '50 of 10,000 runs': () => store.runs({ limit: 50 }),
    '50 of 10,000 runs, by method and text': () => store.runs({ limit: 50, method: 'redteam/', text: 'topic 77' }),
    'all 10,000 runs': () => store.runs({ limit: 10_000 }),
  };
  for (const [name, body] of Object.entries(measures)) await harness.measure(name, body);
}

/** Runs it all, in some half a minute. */
export async function run(harness: Harness): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-bench-'));
  try {
    let stores = 0;
    const open = async (address: string) => (await openStore({ address })).close();
    await harness.measure('open a new store', () => open(join(folder, `${++stores}`)));
    await harness.measure('open a store that is there', () => open(join(folder, '1')));
    const store = await openStore({ address: join(folder, 'bench') });
    await appends(harness, (await store.open(spec(1))).run);
    await evaluation(harness, store);
    await pages(harness, store);
    await store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
