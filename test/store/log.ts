/** The part of the store's contract about the log: its order, its tail, the status that it gives a run. */
import { describe, expect, it } from 'vitest';
import { type NewPlace, spec, withRun } from './place.ts';

export function logContract(newPlace: NewPlace): void {
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
