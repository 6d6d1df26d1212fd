/**
 * The runner over a real store: what is stored once, what is replayed, what ends a run and what does not. Methods here
 * are the smallest that show one thing each; the peers' faults have a file of their own (`test/peers-faults.test.ts`).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineMethod, labeller, model } from '../methods/method.ts';
import type { AnyMethod, Context, Needs } from '../methods/method.ts';
import type { Model } from '../models/model.ts';
import { functionModel } from '../models/providers/function.ts';
import { collect } from '../models/reply.ts';
import { type Store, openStore } from '../store/index.ts';
import { runMethod } from './run.ts';

let folder: string;
let store: Store;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fiducial-run-'));
  store = await openStore({ address: folder });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

let number = 0;
afterEach(() => void number++);

/** A method of one role and any body; each test has its own id, and so its own run. */
function method<N extends Needs>(needs: N, run: (context: Context<N>) => Promise<void>): AnyMethod {
  return defineMethod<{ size: number }, N>({
    id: `evaluate/test-${number}`,
    title: 'A test',
    question: 'Does the runner hold?',
    sources: [],
    needs,
    params: z.strictObject({ size: z.int().default(10) }),
    demo: { params: { size: 1 }, given: () => Promise.reject(new Error('not run')) },
    calibration: { none: 'a test' },
    async run(context) {
      await run(context);
      return { measures: [], findings: [] };
    },
  });
}

const target = { target: model('chat', 'asked') };
/** A model that gives another answer each time, so that a replay can be told from a new call. */
function counting(delayMs = 0): Model & { calls: () => number } {
  let calls = 0;
  const inner = functionModel('counting', async () => {
    calls++;
    const mine = calls;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return `answer ${mine}`;
  });
  return Object.assign(inner, { calls: () => calls });
}
const items = Array.from({ length: 10 }, (_, i) => `item-${i}`);

describe('steps, calls and trials', () => {
  it('stores a step once and gives back what was stored, in the first run too', async () => {
    const seen: unknown[] = [];
    const steps = method(target, async ({ step }) => {
      seen.push(await step('one', () => Promise.resolve({ at: seen.length, none: undefined as unknown as null })));
    });
    const given = { target: counting() };
    const first = await runMethod(steps, {}, given, { store });
    expect(first).toMatchObject({ status: 'done', isReplay: false });
    expect(await runMethod(steps, {}, given, { store })).toMatchObject({ status: 'done', isReplay: true });
    expect(seen).toEqual([{ at: 0 }]);
  });

  it('reads what a trial stored as its transcript, in the first run and when it is resumed', async () => {
    const seen: string[] = [];
    const control = new AbortController();
    const reading = method(target, async ({ trials, read, signal }) => {
      const set = await trials('all', ['a'], async (item, { transcript }) => ({
        status: 'measured',
        value: 1,
        transcript: await transcript({ request: item, reply: 'said', turns: [1, 2] }),
      }));
      seen.push(new TextDecoder().decode(await read(set.observations[0]!.transcript!)));
      if (seen.length === 1) control.abort();
      signal.throwIfAborted();
    });
    const given = { target: counting() };
    expect(await runMethod(reading, {}, given, { store, signal: control.signal })).toMatchObject({ status: 'stopped' });
    expect(await runMethod(reading, {}, given, { store })).toMatchObject({ status: 'done' });
    expect(seen.map((text) => JSON.parse(text) as unknown)).toEqual(
      Array(2).fill({ request: 'a', reply: 'said', turns: [1, 2] }),
    );
  });

  it('refuses a key that is used twice', async () => {
    const twice = method(target, async ({ step }) => {
      await step('same', () => Promise.resolve(1));
      await step('same', () => Promise.resolve(2));
    });
    await expect(runMethod(twice, {}, { target: counting() }, { store })).rejects.toMatchObject({
      code: 'method.duplicate-key',
    });
  });

  it('goes on after a cancellation without repeating a call, with the figures of a run that was never stopped', async () => {
    const rates: number[] = [];
    const ask = method(target, async ({ trials, given, signal }) => {
      const set = await trials('ask', items, async (item) => {
        const first = await collect(given.target, `${item}?`, signal);
        // The same question twice: equal asks in one trial are two calls.
        const second = await collect(given.target, `${item}?`, signal);
        expect(second.text).not.toBe(first.text);
        return { status: 'measured', value: Number(/\d+/.exec(first.text)![0]) % 2 };
      });
      rates.push(set.rate({ name: 'odd', better: 'down' }).value);
    });
    const given = { target: counting(2) };
    const control = new AbortController();
    const stopped = await runMethod(ask, {}, given, {
      store,
      concurrency: 2,
      signal: control.signal,
      onProgress: ({ done }) => {
        if (done >= 4) control.abort();
      },
    });
    expect(stopped).toMatchObject({ status: 'stopped', reason: 'cancelled' });
    const before = (await stopped.run.info()).usage.calls;
    expect(before).toBeGreaterThanOrEqual(8);
    expect(before).toBeLessThan(20);
    const done = await runMethod(ask, {}, given, { store, concurrency: 2 });
    expect(done.status).toBe('done');
    const { usage, trials } = await done.run.info();
    expect(usage.calls).toBe(20);
    expect(trials).toEqual({ measured: 10, undetermined: 0, error: 0 });
    // Calls in flight at the cancellation, at most one a worker, were asked again.
    expect(given.target.calls()).toBeLessThanOrEqual(22);
    expect(rates).toHaveLength(1);
  });

  it('records a call that a judge makes, built outside the trials, under the trial that made it', async () => {
    const outside = method(target, async ({ trials, given, signal }) => {
      const judge = (): Promise<string> => collect(given.target, 'same words', signal).then(({ text }) => text);
      const set = await trials('ask', items, async () => ({ status: 'undetermined', why: await judge() }));
      expect(new Set(set.observations.map((each) => each.status === 'undetermined' && each.why)).size).toBe(10);
    });
    const { run } = await runMethod(outside, {}, { target: counting() }, { store });
    const bodies = await Promise.all((await run.calls()).map(({ key }) => run.call(key)));
    const scopes = bodies.map((call) => (call!.reply as { meta: { scope: string } }).meta.scope).sort();
    expect(scopes).toEqual(items.map((item) => `trial/ask/${item}`));
  });

  it('gives the same random numbers to an item whatever the concurrency', async () => {
    const draws: number[][] = [];
    for (const replicate of [0, 1]) {
      const drawn = new Map<string, number>();
      const draw = method(target, async ({ trials }) => {
        await trials('draw', items, (item, { random }) => {
          drawn.set(item, random.uniform());
          return Promise.resolve({ status: 'measured', value: 1 });
        });
      });
      await runMethod(draw, { size: replicate + 1 }, { target: counting() }, { store, concurrency: replicate + 1 });
      draws.push(items.map((item) => drawn.get(item)!));
    }
    expect(draws[0]).toEqual(draws[1]);
    expect(new Set(draws[0]).size).toBe(10);
  });
});

describe('errors of trials', () => {
  const failing = (count: number) =>
    method(target, async ({ trials }) => {
      const set = await trials('fail', items, (item) => {
        if (broken && Number(item.slice(5)) < count) throw new Error('planted');
        return Promise.resolve({ status: 'measured', value: 0 });
      });
      const rate = set.rate({ name: 'r', better: 'down' });
      expect(rate).toMatchObject({ n: 10 - (broken ? count : 0), errors: broken ? count : 0 });
    });
  let broken = true;

  it('are observations of their own within the allowed share', async () => {
    broken = true;
    const { run } = await runMethod(failing(1), {}, { target: counting() }, { store });
    expect((await run.info()).trials).toEqual({ measured: 9, undetermined: 0, error: 1 });
  });

  it('past the share fail the run, and are tried again when it is resumed', async () => {
    broken = true;
    const some = failing(2);
    await expect(runMethod(some, {}, { target: counting() }, { store })).rejects.toMatchObject({
      code: 'run.too-many-errors',
    });
    broken = false;
    const { run, status } = await runMethod(some, {}, { target: counting() }, { store });
    expect(status).toBe('done');
    expect((await run.info()).trials).toEqual({ measured: 10, undetermined: 0, error: 0 });
  });
});

describe('loops', () => {
  it('go on from their checkpoint to the state of a loop that was never stopped', async () => {
    const bodies: number[] = [];
    const control = new AbortController();
    const ends: number[] = [];
    const train = method(target, async ({ loop }) => {
      const state = {
        steps: 20,
        every: 6,
        initial: () => 0,
        save: (sum: number) => new TextEncoder().encode(String(sum)),
        load: (bytes: Uint8Array) => Number(new TextDecoder().decode(bytes)),
      };
      ends.push(
        await loop('sum', state, (sum, index, { random }) => {
          bodies.push(index);
          if (index === 9 && ends.length === 0) control.abort();
          return Promise.resolve(sum + random.uniform());
        }),
      );
    });
    const given = { target: counting() };
    const stopped = await runMethod(train, {}, given, { store, signal: control.signal });
    expect(stopped.status).toBe('stopped');
    expect((await runMethod(train, {}, given, { store })).status).toBe('done');
    expect(bodies).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await runMethod(train, {}, given, { store, replicate: 1 });
    await runMethod(train, { size: 2 }, given, { store });
    expect(ends[2]).toBe(ends[0]);
    expect(ends[1]).not.toBe(ends[0]);
  });
});

describe('people', () => {
  it('are waited for without a process, and later labels change nothing', async () => {
    const answers: unknown[] = [];
    const ask = method({ people: labeller('who say') }, async ({ given }) => {
      const found = await given.people.ask('harmful', [{ item: 'a', show: 'text' }], [true, false]);
      answers.push([...found.values()].flat().map(({ value }) => value));
    });
    const waiting = await runMethod(ask, {}, {}, { store });
    expect(waiting).toMatchObject({ status: 'waiting' });
    expect((await waiting.run.info()).status).toBe('waiting');
    expect(await waiting.run.questions()).toHaveLength(1);
    await waiting.run.label({ name: 'harmful', item: 'a', labeller: 'ann', value: true });
    expect((await runMethod(ask, {}, {}, { store })).status).toBe('done');
    expect(answers).toEqual([[true]]);
  });
});

describe('a run', () => {
  it('stops at its budget and goes on when it is raised', async () => {
    const ask = method(target, async ({ trials, given, signal }) => {
      await trials('ask', items, async (item) => {
        await collect(given.target, item, signal);
        return { status: 'measured', value: 1 };
      });
    });
    const given = { target: counting() };
    const first = await runMethod(ask, {}, given, { store, budget: { calls: 4 } });
    expect(first.status).toBe('stopped');
    expect(given.target.calls()).toBe(4);
    const second = await runMethod(ask, {}, given, { store, budget: { calls: 7 } });
    expect(second.status).toBe('stopped');
    expect(given.target.calls()).toBe(7);
    expect((await runMethod(ask, {}, given, { store, budget: { calls: 10 } })).status).toBe('done');
  });

  it('is one with the same identity, and another with another seed, parameter or replicate', async () => {
    const nothing = method(target, () => Promise.resolve());
    const given = { target: counting() };
    const id = async (params: object, options: object): Promise<string> =>
      (await runMethod(nothing, params, given, { store, ...options })).run.id;
    const ids = [
      await id({}, {}),
      await id({ size: 11 }, {}),
      await id({}, { seed: 2 }),
      await id({}, { replicate: 1 }),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(await id({ size: 10 }, { seed: 1, replicate: 0 })).toBe(ids[0]);
  });

  it('is refused while another process works on it', async () => {
    const nothing = method(target, () => Promise.resolve());
    const other = await store.open({
      method: nothing.id,
      params: { size: 10 },
      models: { target: 'counting' },
      seed: 1,
      hashes: { code: (await import('./identity.ts')).codeHash(nothing) },
    });
    await store.leases.acquire(`run/${other.run.id}`, 'elsewhere:1:00000000', 15_000);
    await expect(runMethod(nothing, {}, { target: counting() }, { store })).rejects.toMatchObject({ code: 'run.busy' });
  });

  it('says what it lacks before anything is sent', async () => {
    const nothing = method({ ...target, scorer: model('logprobs', 'scores') }, () => Promise.resolve());
    const chat = counting();
    await expect(runMethod(nothing, { sise: 1 }, { target: chat }, { store })).rejects.toMatchObject({
      code: 'run.bad-params',
      hint: 'Did you mean size?',
    });
    await expect(runMethod(nothing, {}, { target: chat }, { store })).rejects.toMatchObject({
      code: 'run.missing-role',
    });
    await expect(runMethod(nothing, {}, { target: chat, scorer: chat }, { store })).rejects.toMatchObject({
      code: 'model.no-access',
    });
    expect(chat.calls()).toBe(0);
  });

  it('tells of the run as soon as it has its id', async () => {
    number++;
    const opened: string[] = [];
    const seen = method(target, async () => {
      opened.push('begun');
    });
    const onOpen = ({ id }: { readonly id: string }) => opened.push(id);
    const result = await runMethod(seen, {}, { target: counting() }, { store, onOpen });
    expect(opened).toEqual([result.run.id, 'begun']);
    await runMethod(seen, {}, { target: counting() }, { store, onOpen });
    expect(opened).toEqual([result.run.id, 'begun', result.run.id]);
  });

  it('runs children with logs of their own under one budget', async () => {
    const child = method(target, async ({ trials, given, signal }) => {
      await trials('ask', items, async (item) => {
        await collect(given.target, item, signal);
        return { status: 'measured', value: 1 };
      });
    });
    number++;
    const parent = method(target, async ({ call, given, signal }) => {
      await collect(given.target, 'first', signal);
      await call(child, { size: 3 }, { target: given.target });
    });
    const given = { target: counting() };
    const stopped = await runMethod(parent, {}, given, { store, budget: { calls: 6 } });
    expect(stopped.status).toBe('stopped');
    const done = await runMethod(parent, {}, given, { store, budget: { calls: 11 } });
    expect(done.status).toBe('done');
    expect(given.target.calls()).toBe(11);
    const [info] = await done.run.children();
    expect(info).toMatchObject({ status: 'done', usage: { calls: 10 }, trials: { measured: 10 } });
    expect((await done.run.info()).usage.calls).toBe(1);
  });
});
