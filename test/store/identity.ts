/** The part of the store's contract about runs: which specification is which run, and lists of them. */
import { describe, expect, it } from 'vitest';
import type { RunSpec } from '../../src/store/index.ts';
import { type NewPlace, spec, withRun } from './place.ts';

export function identityContract(newPlace: NewPlace): void {
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
          const [second] = (await store.runs({ order: 'oldest', limit: 1, offset: 1 })).items;
          expect(second).toEqual((await store.runs({ order: 'oldest', limit: 2 })).items[1]);
          await expect(store.runs({ limit: 0 })).rejects.toMatchObject({ code: 'store.bad-limit' });
        },
        { now: () => (clock += 10) },
      );
    });
  });
}
