/** The part of the store's contract about what is written once and replayed: steps, calls, checkpoints. */
import { describe, expect, it } from 'vitest';
import type { Json, Ref } from '../../src/core/values.ts';
import { call, type NewPlace, spec, withRun } from './place.ts';

export function onceContract(newPlace: NewPlace): void {
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
