/** The part of the store's contract about leases and their fences, artefacts by content, and the cache. */
import { describe, expect, it } from 'vitest';
import type { Ref } from '../../src/core/values.ts';
import { call, type NewPlace, spec, withRun } from './place.ts';

export function leaseContract(newPlace: NewPlace): void {
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
        () => asleep.recordTrial('s', { item: 'late', status: 'error', why: 'late' }),
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

export function artefactContract(newPlace: NewPlace): void {
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
