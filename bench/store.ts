/**
 * What the embedded store costs: opening, appending, a whole evaluation's record, lists and pages.
 *
 * The record of a case is a finished call (request and reply of some 300 characters), a transcript and a trial, each
 * awaited in turn by 32 workers, as a run does it. CPU is user and system time of this process, so that other work on
 * the machine moves it little. Everything lies in a temporary folder, which is removed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Run, type RunSpec, type Store } from '../src/store/index.ts';

interface Figure {
  value: number;
  name: string;
  unit: string;
  note?: string;
}

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

async function recordCases(run: Run, prefix: string, cases: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < cases) {
      const item = `${prefix}${next++}`;
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

async function appends(run: Run): Promise<Figure[]> {
  const note = (i: number) => run.append({ kind: 'note', data: { i, text: 'x'.repeat(200) } });
  const single = await timed(async () => {
    for (let i = 0; i < 2_000; i++) await note(i);
  });
  const batched = await timed(() => Promise.all(Array.from({ length: 50_000 }, (_, i) => note(i))));
  return [
    { name: 'appends, one at a time', value: 2_000 / (single.wallMs / 1_000), unit: 'events/s' },
    { name: 'appends, batched', value: 50_000 / (batched.wallMs / 1_000), unit: 'events/s' },
  ];
}

async function evaluation(store: Store): Promise<Figure[]> {
  const { run } = await store.open(spec(2));
  await recordCases(run, 'warm up ', 1_000);
  const recorded = await timed(() => recordCases(run, 'case ', 10_000));
  const replayed = await timed(async () => {
    for (let i = 0; i < 10_000; i++) await run.call(`case ${i}`);
  });
  return [
    {
      name: 'a case recorded: call, transcript, trial',
      value: recorded.cpuMs / 10_000,
      unit: 'ms CPU',
      note: '10,000 cases',
    },
    { name: 'the same, wall', value: recorded.wallMs / 10_000, unit: 'ms' },
    { name: 'a call replayed', value: replayed.wallMs / 10_000, unit: 'ms' },
  ];
}

async function pages(store: Store): Promise<Figure[]> {
  const { run } = await store.open(spec(3));
  for (let i = 0; i < 100_000; i += 5_000) {
    await Promise.all(
      Array.from({ length: 5_000 }, (_, j) =>
        run.recordTrial('s', {
          item: `item ${i + j}`,
          cluster: `c${j % 50}`,
          status: j % 10 === 0 ? 'error' : 'measured',
          ...(j % 10 === 0 ? { why: 'timeout' } : { value: j % 7 }),
        }),
      ),
    );
  }
  for (let i = 4; i < 10_004; i += 100)
    await Promise.all(Array.from({ length: 100 }, (_, j) => store.open(spec(i + j))));
  const first = await run.trials({ limit: 100 });
  const measures: [string, () => Promise<unknown>][] = [
    ['page of 100 of 100,000 trials', () => run.trials({ limit: 100, cursor: first.next! })],
    ['the same, by value', () => run.trials({ limit: 100, order: 'value' })],
    ['the same, searched by text', () => run.trials({ limit: 100, text: 'item 9999' })],
    ['counts of 100,000 trials', () => run.counts()],
    ['page of 50 of 10,000 runs', () => store.runs({ limit: 50 })],
    ['the same, by method and text', () => store.runs({ limit: 50, method: 'redteam/', text: 'topic 77' })],
    ['all 10,000 runs', () => store.runs({ limit: 10_000 })],
  ];
  const figures: Figure[] = [];
  for (const [name, body] of measures) {
    await body();
    const { wallMs } = await timed(async () => {
      for (let i = 0; i < 5; i++) await body();
    });
    figures.push({ name, value: wallMs / 5, unit: 'ms' });
  }
  return figures;
}

/** Runs it all, in some 15 seconds. */
export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-bench-'));
  const address = join(folder, '.fiducial');
  try {
    const first = await timed(async () => (await openStore({ address })).close());
    const again = await timed(async () => (await openStore({ address })).close());
    const store = await openStore({ address });
    const { run: log } = await store.open(spec(1));
    const figures = [
      { name: 'open, first', value: first.wallMs, unit: 'ms', note: 'makes the tables' },
      { name: 'open, again', value: again.wallMs, unit: 'ms' },
      ...(await appends(log)),
      ...(await evaluation(store)),
      ...(await pages(store)),
    ];
    await store.close();
    return figures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const name = 'store';
