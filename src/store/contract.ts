/**
 * What every store must do, whichever engine is under it: a suite that `sqlite.test.ts` and `postgres.test.ts` run.
 *
 * A fixture gives each test an empty address and opens it any number of times, as several processes would. What only
 * one engine can show (a full disk, a crashed server) is in that engine's own test file.
 */
import { describe, expect, it } from 'vitest';
import type { Json, Ref } from '../core/values.ts';
import { exportContract } from './contract-export.ts';
import { retentionContract } from './contract-retention.ts';
import { trialContract } from './contract-trials.ts';
import type { CallRecord, Run, RunSpec, Store, StoreOptions } from './store.ts';

/** An empty place for one test. */
export interface Place {
  readonly address: string;
  open(options?: Omit<StoreOptions, 'address'>): Promise<Store>;
}
export type NewPlace = () => Promise<Place>;

export function spec(changes: Partial<RunSpec> = {}): RunSpec {
  return {
    method: 'redteam/pair',
    params: { depth: 3, goal: 'x' },
    models: { target: 'scripted', judge: { id: 'm', temperature: 0 } },
    seed: 7,
    hashes: { code: 'c0de' },
    ...changes,
  };
}

export function call(text: string, changes: Partial<CallRecord> = {}): CallRecord {
  return {
    model: 'm',
    request: { messages: [text] },
    reply: { text: `re: ${text}` },
    inputTokens: 3,
    outputTokens: 5,
    ...changes,
  };
}

/** Opens a store and a run, runs the test, closes. */
export async function withRun(
  place: Place,
  body: (run: Run, store: Store) => Promise<void>,
  options?: Omit<StoreOptions, 'address'>,
) {
  const store = await place.open(options);
  try {
    await body((await store.open(spec())).run, store);
  } finally {
    await store.close();
  }
}

export function storeContract(name: string, newPlace: NewPlace): void {
  describe(name, () => {
    identityContract(newPlace);
    onceContract(newPlace);
    logContract(newPlace);
    leaseContract(newPlace);
    artefactContract(newPlace);
    trialContract(newPlace);
    retentionContract(newPlace);
    exportContract(newPlace);
  });
}

function identityContract(newPlace: NewPlace): void {
  describe('identity', () => {
    it('reopens the run of the same specification, whatever the order of its keys', async () => {
      const place = await newPlace();
      const first = await place.open();
      const { run, created } = await first.open(spec());
      expect(created).toBe(true);
      await run.recordStep('a', 1);
      await first.close();
      const second = await place.open();
      const again = await second.open({
        hashes: { weights: {}, code: 'c0de' },
        seed: 7,
        models: { judge: { temperature: 0, id: 'm' }, target: 'scripted' },
        params: { goal: 'x', depth: 3 },
        method: 'redteam/pair',
        replicate: 0,
      });
      expect(again.created).toBe(false);
      expect(again.run.id).toBe(run.id);
      expect(await again.run.step('a')).toEqual({ value: 1 });
      await second.close();
    });

    it('makes another run for each thing that changes what would be measured', async () => {
      const place = await newPlace();
      await withRun(place, async (run, store) => {
        const others: Partial<RunSpec>[] = [
          { method: 'redteam/tap' },
          { params: { depth: 4, goal: 'x' } },
          { models: { target: 'other' } },
          { seed: 8 },
          { seed: '7' },
          { hashes: { code: 'c0de2' } },
          { hashes: { code: 'c0de', weights: { target: 'w' } } },
          { hashes: { code: 'c0de', data: { prompts: 'd' } } },
          { replicate: 1 },
          { parent: { run: run.id, key: 'child' } },
          { parent: { run: run.id, key: 'child 2' } },
        ];
        const ids = new Set([run.id]);
        for (const other of others) ids.add((await store.open(spec(other))).run.id);
        expect(ids.size).toBe(others.length + 1);
        expect((await run.children()).map((child) => child.spec.parent?.key)).toEqual(['child', 'child 2']);
      });
    });

    it('lets many open it at once and makes one', async () => {
      const place = await newPlace();
      const stores = [await place.open(), await place.open(), await place.open()];
      const opened = await Promise.all(stores.flatMap((store) => [store.open(spec()), store.open(spec())]));
      expect(new Set(opened.map(({ run }) => run.id)).size).toBe(1);
      expect(opened.filter(({ created }) => created)).toHaveLength(1);
      expect(await opened[0]!.run.events({ kinds: ['run.created'] })).toHaveLength(1);
      for (const store of stores) await store.close();
    });

    it('finds a run by a beginning of its id, and says when there is none or several', async () => {
      const place = await newPlace();
      await withRun(place, async (run, store) => {
        expect((await store.run(run.id.slice(0, 6))).id).toBe(run.id);
        for (let replicate = 1; replicate < 40; replicate++) await store.open(spec({ replicate }));
        await expect(store.run('')).rejects.toMatchObject({ code: 'store.no-run' });
        await expect(store.run('nothing')).rejects.toMatchObject({ code: 'store.no-run' });
        const firsts = (await store.runs({ limit: 100 })).items.map((info) => info.id[0]!);
        const shared = firsts.find((first, i) => firsts.indexOf(first) !== i)!;
        await expect(store.run(shared)).rejects.toMatchObject({ code: 'store.ambiguous-run' });
        await expect(store.open(spec({ parent: { run: 'f'.repeat(16), key: 'k' } }))).rejects.toMatchObject({
          code: 'store.no-run',
        });
      });
    });

    it('pages and filters a list of runs', async () => {
      let clock = 1_000_000;
      const place = await newPlace();
      await withRun(
        place,
        async (root, store) => {
          for (let i = 1; i <= 25; i++) {
            const { run } = await store.open(
              spec({
                method: i % 2 === 0 ? 'audit/probe' : 'redteam/tap',
                params: { Topic: `Subject_${i}%` },
                seed: i,
              }),
            );
            if (i % 5 === 0) await run.setStatus('done');
          }
          const seen: string[] = [];
          for (let cursor: string | undefined; ;) {
            const page = await store.runs({ limit: 7, ...(cursor === undefined ? {} : { cursor }) });
            expect(page.total).toBe(26);
            seen.push(...page.items.map((info) => info.id));
            if (page.next === undefined) break;
            cursor = page.next;
          }
          expect(new Set(seen).size).toBe(26);
          expect(seen.at(-1)).toBe(root.id);
          expect((await store.runs({ order: 'oldest', limit: 1 })).items[0]!.id).toBe(root.id);
          expect((await store.runs({ method: 'audit/probe' })).total).toBe(12);
          expect((await store.runs({ method: 'redteam/' })).total).toBe(14);
          expect((await store.runs({ status: ['done'] })).total).toBe(5);
          expect((await store.runs({ status: 'done', method: 'audit/' })).total).toBe(2);
          expect((await store.runs({ text: 'subject_3% TAP' })).total).toBe(1);
          // Neither of LIKE's own characters may act as one.
          expect((await store.runs({ text: 'subject%1' })).total).toBe(0);
          expect((await store.runs({ text: 'subjectx1' })).total).toBe(0);
          expect(
            (await store.runs({ createdAfterMs: root.spec.seed === 7 ? (await root.info()).createdAtMs : 0 })).total,
          ).toBe(25);
          await store.open(spec({ parent: { run: root.id, key: 'k' } }));
          expect((await store.runs({ parent: null })).total).toBe(26);
          expect((await store.runs({ parent: root.id })).total).toBe(1);
          await expect(store.runs({ cursor: 'bm9uZQ' })).rejects.toMatchObject({ code: 'store.bad-cursor' });
          await expect(store.runs({ limit: 0 })).rejects.toMatchObject({ code: 'store.bad-limit' });
        },
        { now: () => (clock += 10) },
      );
    });
  });
}

function onceContract(newPlace: NewPlace): void {
  describe('written once', () => {
    it('gives every writer of a step the value of the first', async () => {
      const place = await newPlace();
      const stores = [await place.open(), await place.open(), await place.open()];
      const runs = await Promise.all(stores.map(async (store) => (await store.open(spec())).run));
      const keys = Array.from({ length: 40 }, (_, i) => `step ${i}`);
      const values = await Promise.all(
        runs.flatMap((run, who) => keys.map(async (key) => [key, await run.recordStep(key, { who })] as const)),
      );
      for (const key of keys) {
        const seen = values.filter(([name]) => name === key).map(([, value]) => JSON.stringify(value));
        expect(seen).toHaveLength(3);
        expect(new Set(seen).size).toBe(1);
        expect(JSON.stringify((await runs[0]!.step(key))!.value)).toBe(seen[0]);
      }
      // Also within one batch of one writer.
      const [a, b] = await Promise.all([runs[0]!.recordStep('twice', 1), runs[0]!.recordStep('twice', 2)]);
      expect([a, b]).toEqual([1, 1]);
      expect(await runs[0]!.events({ kinds: ['step'] })).toHaveLength(41);
      expect(await stores[0]!.verify()).toEqual([]);
      for (const store of stores) await store.close();
    });

    it('keeps any JSON exactly, null too, and refuses what JSON would falsify', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => {
        const values: Json[] = [
          null,
          false,
          0,
          -0.1,
          1e-300,
          9007199254740991,
          '',
          'a\0b\u2028\uD800"\\',
          [],
          {},
          { '': [{ a: [null] }] },
          { ['__proto__']: 1 },
        ];
        for (const [i, value] of values.entries()) {
          await run.recordStep(`v${i}`, value);
          expect(JSON.stringify((await run.step(`v${i}`))!.value)).toBe(JSON.stringify(value));
        }
        expect(await run.step('never')).toBeUndefined();
        for (const bad of [
          Number.NaN,
          Infinity,
          { deep: [1, Number.NaN] },
          [undefined],
          new Date(),
          1n,
          new Uint8Array(2),
        ]) {
          await expect(run.recordStep('bad', bad as Json)).rejects.toMatchObject({ code: 'store.not-json' });
        }
        expect(await run.step('bad')).toBeUndefined();
        for (const key of ['', 'a\0b', 'x'.repeat(1_025), '\uD800']) {
          await expect(run.recordStep(key, 1)).rejects.toMatchObject({ code: 'store.bad-name' });
        }
      });
    });

    it('replays finished calls after reopening, the first reply of each, and adds up what they cost', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => {
        const first = await run.recordCall('k', call('one', { costUsd: 0.25 }));
        expect(first).toEqual(call('one', { costUsd: 0.25 }));
        expect(await run.recordCall('k', call('two', { costUsd: 99 }))).toEqual(first);
        await run.recordCall(
          'k2',
          call('one', { costUsd: 0.5, cached: false, latencyMs: 12.5, attempts: 2, providerId: 'p' }),
        );
      });
      await withRun(place, async (run, store) => {
        expect(await run.call('k')).toEqual(call('one', { costUsd: 0.25 }));
        expect(await run.call('never')).toBeUndefined();
        expect((await run.info()).usage).toEqual({ calls: 2, inputTokens: 6, outputTokens: 10, costUsd: 0.75 });
        const calls = await run.calls();
        expect(calls.map((summary) => summary.key)).toEqual(['k', 'k2']);
        expect(calls[1]).toMatchObject({ model: 'm', costUsd: 0.5, latencyMs: 12.5, attempts: 2, providerId: 'p' });
        expect(calls[1]).not.toHaveProperty('reply');
        expect(await store.verify()).toEqual([]);
      });
    });

    it('replaces a checkpoint at once and drops the bytes of the older one', async () => {
      const place = await newPlace();
      await withRun(
        place,
        async (run, store) => {
          expect(await run.checkpoint('train')).toBeUndefined();
          const refs: Ref[] = [];
          for (let step = 1; step <= 4; step++)
            refs.push(await run.saveCheckpoint('train', step, new Uint8Array(5_000 * step).fill(step)));
          await run.saveCheckpoint('other', 9, Uint8Array.of(9));
          const found = (await run.checkpoint('train'))!;
          expect([found.step, found.ref, found.bytes.length, found.bytes[0]]).toEqual([4, refs[3], 20_000, 4]);
          for (const ref of refs.slice(0, 3)) expect(await store.artefacts.info(ref)).toBeUndefined();
          // The same bytes again are one checkpoint and not a removal of itself.
          await run.saveCheckpoint('train', 5, found.bytes);
          await store.collect({ graceMs: -1_000 });
          expect((await run.checkpoint('train'))!.step).toBe(5);
          expect((await run.checkpoint('other'))!.bytes).toEqual(Uint8Array.of(9));
          // Kept under a name as well, it outlives its replacement.
          await run.keep('weights', found.bytes, 'application/octet-stream');
          await run.saveCheckpoint('train', 6, Uint8Array.of(6));
          expect((await store.artefacts.get(found.ref)).length).toBe(20_000);
          expect(await store.verify()).toEqual([]);
        },
        { inlineBytes: 6_000 },
      );
    });
  });
}

function logContract(newPlace: NewPlace): void {
  describe('the log', () => {
    it('keeps the order of one writer, and one order for all', async () => {
      const place = await newPlace();
      const stores = [await place.open(), await place.open()];
      const runs = await Promise.all(stores.map(async (store) => (await store.open(spec())).run));
      await Promise.all(
        runs.flatMap((run, who) =>
          Array.from({ length: 150 }, (_, i) => run.append({ kind: 'note', data: { who, i } })),
        ),
      );
      const events = await runs[0]!.events({ kinds: ['note'] });
      expect(events).toHaveLength(300);
      expect(events.map((event) => event.seq)).toEqual(events.map((event) => event.seq).sort((a, b) => a - b));
      for (const who of [0, 1]) {
        const own = events.map((event) => event.data as { who: number; i: number }).filter((data) => data.who === who);
        expect(own.map((data) => data.i)).toEqual(Array.from({ length: 150 }, (_, i) => i));
      }
      for (const store of stores) await store.close();
    });

    it('lets a tail follow what other processes write, and miss nothing', async () => {
      const place = await newPlace();
      const reader = await place.open();
      const writers = [await place.open(), await place.open()];
      const { run } = await reader.open(spec());
      const stop = new AbortController();
      const seen: string[] = [];
      const tail = (async () => {
        for await (const event of reader.follow({
          after: 0,
          kinds: ['note'],
          signal: stop.signal,
          pollMs: 5,
          limit: 7,
        })) {
          expect(event.run).toBe(run.id);
          seen.push(event.data as string);
          if (seen.length === 120) stop.abort();
        }
      })();
      await Promise.all(
        writers.map(async (store, who) => {
          const own = (await store.open(spec())).run;
          for (let i = 0; i < 60; i++) {
            // Single and in bursts.
            const note = own.append({ kind: 'note', data: `${who}.${i}` });
            if (i % 3 === 0) await note;
          }
        }),
      );
      await tail;
      expect(new Set(seen).size).toBe(120);
      for (const store of [reader, ...writers]) await store.close();
    });

    it('derives the status of a run from its events', async () => {
      const place = await newPlace();
      await withRun(place, async (run, store) => {
        expect((await run.info()).status).toBe('created');
        for (const [status, reason] of [
          ['running'],
          ['waiting', '12 labels'],
          ['running'],
          ['stopped', 'budget'],
          ['failed', 'x'],
          ['done'],
        ] as const) {
          await run.setStatus(status, reason);
          const info = await run.info();
          expect([info.status, info.reason]).toEqual([status, reason]);
        }
        expect((await run.info()).lastSeq).toBe(await store.head());
        expect(await store.verify()).toEqual([]);
      });
    });

    it('refuses events that would pass by its own words, and gives back what a key holds', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => {
        await expect(run.append({ kind: 'trial', data: {} })).rejects.toMatchObject({ code: 'store.reserved-kind' });
        const first = await run.append({ kind: 'outcome', key: 'final', data: { n: 1 } });
        expect(await run.append({ kind: 'outcome', key: 'final', data: { n: 2 } })).toEqual(first);
        expect(await run.event('outcome', 'final')).toEqual(first);
        expect(await run.event('outcome', 'other')).toBeUndefined();
      });
    });

    it('commits what was not awaited before it closes, and refuses what comes after', async () => {
      const place = await newPlace();
      const store = await place.open();
      const { run } = await store.open(spec());
      const pending = Promise.all(Array.from({ length: 3_000 }, (_, i) => run.append({ kind: 'note', data: i })));
      await store.close();
      await pending;
      await expect(run.append({ kind: 'note' })).rejects.toMatchObject({ code: 'store.closed' });
      await withRun(place, async (again) =>
        expect(await again.events({ kinds: ['note'], limit: 5_000 })).toHaveLength(3_000),
      );
    });

    it('shows a store that may only be read, and lets nothing be written', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => void (await run.recordStep('a', 1)));
      const store = await place.open({ readOnly: true });
      const { items } = await store.runs();
      const run = await store.run(items[0]!.id);
      expect(await run.step('a')).toEqual({ value: 1 });
      await expect(run.recordStep('b', 1)).rejects.toMatchObject({ code: 'store.unwritable' });
      await store.close();
    });
  });
}

function leaseContract(newPlace: NewPlace): void {
  describe('leases', () => {
    it('are held by one, expire, and fence off the one who slept', async () => {
      let clock = 1_000_000;
      const place = await newPlace();
      const [mine, yours] = [await place.open({ now: () => clock }), await place.open({ now: () => clock })];
      const run = (await mine.open(spec())).run;
      const other = (await yours.open(spec())).run;
      const first = (await mine.leases.acquire('unit', 'a', 1_000))!;
      expect(await yours.leases.acquire('unit', 'b', 1_000)).toBeUndefined();
      const asleep = run.holding(first);
      await asleep.recordStep('before', 1);
      clock += 900;
      const renewed = await mine.leases.renew(first, 1_000);
      expect(renewed.token).toBe(first.token);
      clock += 900;
      expect(await yours.leases.acquire('unit', 'b', 1_000)).toBeUndefined();
      clock += 101;
      expect((await yours.leases.list('un', { expired: true })).map((lease) => lease.owner)).toEqual(['a']);
      const second = (await yours.leases.acquire('unit', 'b', 1_000))!;
      expect(second.token).toBeGreaterThan(first.token);
      await other.holding(second).recordStep('taken over', 1);
      // The sleeper wakes: its writes are refused, its neighbours' in the same batch are not.
      const [late, neighbour] = await Promise.allSettled([
        asleep.recordStep('late', 1),
        run.recordStep('neighbour', 1),
      ]);
      expect(late).toMatchObject({ status: 'rejected', reason: { code: 'store.fenced' } });
      expect(neighbour.status).toBe('fulfilled');
      for (const write of [
        () => asleep.append({ kind: 'note' }),
        () => asleep.recordCall('late', call('x')),
        () => asleep.recordTrial('s', { item: 'late', status: 'error' }),
        () => asleep.setStatus('done'),
        () => asleep.saveCheckpoint('late', 1, Uint8Array.of(1)),
        () => mine.leases.renew(renewed, 1_000),
      ]) {
        await expect(write()).rejects.toMatchObject({ code: 'store.fenced' });
      }
      await mine.leases.release(first);
      expect((await mine.leases.get('unit'))!.owner).toBe('b');
      expect((await run.events()).map((event) => event.key ?? event.kind)).toEqual([
        'run.created',
        'before',
        'taken over',
        'neighbour',
      ]);
      expect((await run.info()).trials).toEqual({ measured: 0, undetermined: 0, error: 0 });
      await yours.leases.release(second);
      expect(await yours.leases.get('unit')).toBeUndefined();
      await expect(other.holding(second).append({ kind: 'note' })).rejects.toMatchObject({ code: 'store.fenced' });
      expect((await mine.leases.acquire('unit', 'a', 5))!.token).toBeGreaterThan(second.token);
      await mine.close();
      await yours.close();
    });

    it('go to exactly one of many who ask at once', async () => {
      const place = await newPlace();
      const stores = [await place.open(), await place.open(), await place.open()];
      const won = await Promise.all(
        stores.flatMap((store, i) => [
          store.leases.acquire('x', `a${i}`, 60_000),
          store.leases.acquire('x', `b${i}`, 60_000),
        ]),
      );
      expect(won.filter((lease) => lease !== undefined)).toHaveLength(1);
      await expect(stores[0]!.leases.acquire('y', 'a', 0)).rejects.toMatchObject({ code: 'store.bad-duration' });
      for (const store of stores) await store.close();
    });
  });
}

function artefactContract(newPlace: NewPlace): void {
  describe('artefacts', () => {
    it('come back byte for byte, small and large, and are stored once', async () => {
      const place = await newPlace();
      const store = await place.open();
      for (const size of [0, 1, 65_536, 65_537, 9 * 1024 * 1024]) {
        const bytes = Buffer.alloc(size, 'fiducial');
        const refs = await Promise.all([
          store.artefacts.put(bytes, 'application/octet-stream'),
          store.artefacts.put(bytes, 'application/octet-stream'),
        ]);
        expect(refs[0]).toBe(refs[1]);
        expect(await store.artefacts.info(refs[0])).toEqual({
          ref: refs[0],
          bytes: size,
          type: 'application/octet-stream',
        });
        expect(Buffer.compare(await store.artefacts.get(refs[0]), bytes)).toBe(0);
      }
      // RFC 8785's order and the published digest of the empty text fix the addresses.
      expect(await store.artefacts.putJson({ b: [1, 'é'], a: null })).toBe(
        await store.artefacts.put(Buffer.from('{"a":null,"b":[1,"é"]}'), 'application/json'),
      );
      expect(await store.artefacts.put(new Uint8Array(), 'text/plain')).toBe(
        'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      );
      const absent: Ref = `sha256:${'0'.repeat(64)}`;
      await expect(store.artefacts.get(absent)).rejects.toMatchObject({ code: 'store.missing' });
      await expect(store.artefacts.get('sha256:abc')).rejects.toMatchObject({ code: 'store.bad-ref' });
      await store.close();
    });

    it('keeps artefacts under names in a run, the newest of each', async () => {
      const place = await newPlace();
      await withRun(place, async (run, store) => {
        await run.keep('report', Buffer.from('one'), 'text/plain');
        const ref = await run.keep('report', Buffer.from('two'), 'text/plain');
        await run.keep('weights', Uint8Array.of(1, 2), 'application/octet-stream');
        const kept = await run.kept();
        expect(kept).toHaveLength(2);
        expect(kept[0]).toEqual({ name: 'report', ref, type: 'text/plain', bytes: 3 });
        await store.artefacts.pin('best', ref);
        expect(await store.artefacts.pinned()).toEqual({ best: ref });
        await store.artefacts.pin('best', undefined);
        expect(await store.artefacts.pinned()).toEqual({});
      });
    });

    it('caches replies in scopes, until they expire', async () => {
      let clock = 1_000_000;
      const place = await newPlace();
      const store = await place.open({ now: () => clock });
      await store.cache.set('a', { q: 1, r: 2 }, { text: 'x' }, { lifetimeMs: 100 });
      await store.cache.set('b', { q: 1, r: 2 }, null);
      expect(await store.cache.get('a', { r: 2, q: 1 })).toEqual({ text: 'x' });
      expect(await store.cache.get('b', { r: 2, q: 1 })).toBeNull();
      expect(await store.cache.get('a', { q: 1 })).toBeUndefined();
      clock += 100;
      expect(await store.cache.get('a', { q: 1, r: 2 })).toBeUndefined();
      expect(await store.cache.clear()).toBe(1);
      await store.cache.set('b', { q: 1, r: 2 }, 'newer');
      expect(await store.cache.get('b', { q: 1, r: 2 })).toBe('newer');
      expect(await store.cache.clear('b')).toBe(1);
      expect(await store.cache.get('b', { q: 1, r: 2 })).toBeUndefined();
      await store.close();
    });
  });
}
