/** The part of the store's contract about what is kept, removed, redacted, checked and migrated. */
import { describe, expect, it } from 'vitest';
import type { Ref } from '../../src/core/values.ts';
import { call, type NewPlace, spec, withRun } from './place.ts';
import { openDatabase } from '../../src/store/open.ts';
import { currentVersion, migrate } from '../../src/store/schema.ts';

const plain = 'application/octet-stream';

export function retentionContract(newPlace: NewPlace): void {
  describe('retention', () => {
    it('collects what nothing refers to, and never what something does', async () => {
      const place = await newPlace();
      await withRun(
        place,
        async (run, store) => {
          const bytes = (i: number, size = 10) => Buffer.alloc(size, `bytes ${i} `);
          const lonely = await store.artefacts.put(bytes(1), plain);
          const lonelyLarge = await store.artefacts.put(bytes(2, 5_000), plain);
          const pinned = await store.artefacts.put(bytes(3, 5_000), plain);
          await store.artefacts.pin('keep me', pinned);
          const leaf = await store.artefacts.put(bytes(4, 5_000), plain);
          const branch = await store.artefacts.putJson({ parts: [leaf] });
          const root = await store.artefacts.putJson({ of: { branch } });
          await run.recordStep('refers', { deep: [{ root }] });
          const deadLeaf = await store.artefacts.put(bytes(5, 5_000), plain);
          const deadRoot = await store.artefacts.putJson({ deadLeaf });
          const transcript = await run.keepTranscript({ said: 'x' });
          await run.recordCall('c', call('text'));
          const kept = await run.keep('k', bytes(6, 5_000), plain);
          // Mentioned before it is there: protected from the moment it comes.
          const { createHash } = await import('node:crypto');
          const future: Ref = `sha256:${createHash('sha256').update(bytes(7)).digest('hex')}`;
          await run.recordStep('expects', future);
          await store.artefacts.put(bytes(7), plain);

          expect(await store.collect()).toEqual({ artefacts: 0, bytes: 0 });
          const report = await store.collect({ graceMs: -1_000 });
          expect(report.artefacts).toBe(4);
          expect(report.bytes).toBe(10 + 5_000 + 5_000 + Buffer.byteLength(JSON.stringify({ deadLeaf })));
          for (const ref of [lonely, lonelyLarge, deadLeaf, deadRoot])
            await expect(store.artefacts.get(ref)).rejects.toMatchObject({ code: 'store.missing' });
          for (const ref of [pinned, leaf, branch, root, transcript, kept, future])
            expect((await store.artefacts.get(ref)).length).toBeGreaterThan(0);
          expect((await run.call('c'))!.reply).toEqual({ text: 're: text' });
          // What was collected can come again.
          expect(await store.artefacts.put(bytes(2, 5_000), plain)).toBe(lonelyLarge);
          expect((await store.artefacts.get(lonelyLarge)).length).toBe(5_000);
          expect(await store.verify()).toEqual([]);
        },
        { inlineBytes: 1_000 },
      );
    });

    it('lets writers and a collector work at once and loses nothing', async () => {
      const place = await newPlace();
      const [store, other] = [await place.open({ inlineBytes: 100 }), await place.open({ inlineBytes: 100 })];
      const { run } = await store.open(spec());
      const state = { isWriting: true };
      const collecting = (async () => {
        while (state.isWriting) await other.collect();
      })();
      const refs = await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          run.keep(`k${i % 3}`, Buffer.alloc(50 + 10 * (i % 12), `${i % 20}`), plain),
        ),
      );
      state.isWriting = false;
      await collecting;
      for (const ref of refs) await store.artefacts.get(ref);
      expect(await store.verify()).toEqual([]);
      await store.close();
      await other.close();
    });

    it('purges transcripts by run and age, and leaves the figures and what others still need', async () => {
      let clock = 1_000_000;
      const place = await newPlace();
      await withRun(
        place,
        async (run, store) => {
          const { run: other } = await store.open(spec({ seed: 99 }));
          const shared = await run.keepTranscript({ shared: 'both runs said this' });
          await other.recordTrial('s', { item: 'o', status: 'measured', value: 1, transcript: shared });
          const own = await run.keepTranscript({ own: 'sentence of this run', long: 'x'.repeat(3_000) });
          const keptToo = await run.keepTranscript({ kept: true });
          await run.keep('sample', await store.artefacts.get(keptToo), 'application/json');
          await run.recordTrial('s', { item: 'a', status: 'measured', value: 0.5, transcript: own });
          await run.recordTrial('s', { item: 'b', status: 'measured', value: 1, transcript: shared });
          await run.recordStep('mentions', { own });
          await run.recordCall('c', call('question', { costUsd: 2 }));
          const before = await run.info();

          await expect(store.purge({})).rejects.toMatchObject({ code: 'store.bad-purge' });
          await expect(store.purge({ runs: ['nope'] })).rejects.toMatchObject({ code: 'store.no-run' });
          expect((await store.purge({ runs: [run.id], olderThanMs: 5_000 })).transcripts).toBe(0);
          clock += 10_000;
          expect(await store.purge({ runs: [run.id], olderThanMs: 5_000 })).toMatchObject({ runs: 1, transcripts: 2 });

          await expect(store.artefacts.get(own)).rejects.toMatchObject({ code: 'store.purged' });
          await expect(run.call('c')).rejects.toMatchObject({ code: 'store.purged' });
          expect((await store.artefacts.info(own))!.purgedAtMs).toBe(clock);
          for (const ref of [shared, keptToo]) expect((await store.artefacts.get(ref)).length).toBeGreaterThan(0);
          expect(await run.trial('s', 'a')).toMatchObject({ status: 'measured', value: 0.5, transcript: own });
          const after = await run.info();
          expect([after.trials, after.usage]).toEqual([before.trials, before.usage]);
          expect(await run.events({ kinds: ['purged'] })).toHaveLength(1);
          expect(await store.verify()).toEqual([]);
          // The last of the two runs gives the shared one up.
          expect((await store.purge({ runs: [other.id] })).transcripts).toBe(1);
          await expect(store.artefacts.get(shared)).rejects.toMatchObject({ code: 'store.purged' });
          // The same words said again are there again.
          expect(await run.keepTranscript({ shared: 'both runs said this' })).toBe(shared);
          expect(await store.artefacts.getJson(shared)).toEqual({ shared: 'both runs said this' });
          await store.collect({ graceMs: -1_000_000 });
          expect(await store.verify()).toEqual([]);
        },
        { now: () => clock, inlineBytes: 2_000 },
      );
    });

    it('stores no secret, wherever it was put, and replays what it first delivered', async () => {
      const secret = 'sk-"planted\\42';
      const place = await newPlace();
      const redact = (text: string) => text.replaceAll(secret, '[key]');
      await withRun(
        place,
        async (run, store) => {
          await store.open(spec({ params: { header: secret, [secret]: 1 } }));
          await run.append({ kind: 'note', key: `k ${secret}`, data: { [secret]: [secret] } });
          await run.recordStep(`s ${secret}`, secret);
          expect(await run.step(`s ${secret}`)).toEqual({ value: '[key]' });
          const first = await run.recordCall('c', call(secret));
          expect(first.reply).toEqual({ text: 're: [key]' });
          expect(await run.call('c')).toEqual(first);
          await run.recordTrial(secret, { item: secret, cluster: secret, status: 'error', why: secret });
          await run.keepTranscript({ secret });
          await run.keep(secret, Buffer.from(JSON.stringify({ secret })), 'application/json');
          await run.keep('text', Buffer.from(`a ${secret} b`), 'text/plain');
          await run.addLayer({ name: secret, judge: secret });
          await run.askLabel({ name: 'n', item: secret, show: secret });
          await run.label({ name: 'n', item: secret, labeller: secret, value: secret, note: secret });
          await run.setStatus('failed', secret);
          await store.cache.set(secret, { secret }, { secret });
          expect(await store.cache.get(secret, { secret })).toEqual({ secret: '[key]' });
          await store.leases.acquire(secret, secret, 1_000);
          await store.artefacts.pin(secret, await store.artefacts.putJson({ secret }));
          expect(await store.verify()).toEqual([]);
        },
        { redact },
      );
      const database = await openDatabase({ address: place.address });
      const tables = ['run', 'event', 'trial', 'artefact', 'lease', 'cache', 'pin', 'reference', 'checkpoint'];
      const rows = (await Promise.all(tables.map((table) => database.all(`SELECT * FROM ${table}`)))).flat();
      await database.close();
      const text = rows
        .flatMap((row) =>
          Object.values(row).map((value) =>
            value instanceof ArrayBuffer || value instanceof Uint8Array
              ? Buffer.from(value as Uint8Array).toString('latin1')
              : String(value),
          ),
        )
        .join('\n');
      expect(text).toContain('[key]');
      expect(text).not.toContain('planted');
    });

    it('finds planted damage: a flipped bit, a changed figure, a lost row', async () => {
      const place = await newPlace();
      let ref: Ref = 'sha256:';
      await withRun(place, async (run) => {
        ref = await run.keep('k', Buffer.from('some bytes'), plain);
        await run.recordTrial('s', { item: 'a', status: 'measured', value: 1 });
        await run.recordTrial('s', { item: 'b', status: 'measured', value: 1 });
        await run.setStatus('done');
      });
      const database = await openDatabase({ address: place.address });
      await database.transaction(async (tx) => {
        await tx.run('UPDATE artefact SET bytes = $1 WHERE ref = $2', [Buffer.from('some byt%s'), ref.slice(7)]);
        await tx.run(`UPDATE trial SET value = 0 WHERE item = 'a'`);
        await tx.run(`DELETE FROM trial WHERE item = 'b'`);
        await tx.run(`UPDATE run SET status = 'running', measured = 3`);
      });
      await database.close();
      const store = await place.open();
      await expect(store.artefacts.get(ref)).rejects.toMatchObject({ code: 'store.corrupt' });
      const faults = (await store.verify()).map((fault) => fault.what).join('\n');
      for (const part of [
        'have changed',
        '["","s","a"] differs',
        '["","s","b"] differs',
        'status is running, and done',
        'measured is 3, and 2',
      ])
        expect(faults).toContain(part);
      expect(faults.split('\n')).toHaveLength(5);
      await store.close();
    });
  });

  describe('schema', () => {
    it('moves a store of version 1 with its data to the newest', async () => {
      const place = await newPlace();
      const database = await openDatabase({ address: place.address });
      expect(await migrate(database, { to: 1 })).toBe(1);
      const identity = '0123456789abcdef'.repeat(4);
      const text = '{"hashes":{"code":"c"},"method":"evaluate/old","models":{},"params":{"Topic":"Kept"},"seed":1}';
      await database.transaction(async (tx) => {
        await tx.run(
          `INSERT INTO run (id, identity, method, spec, created_at, updated_at, status, last_seq, measured) VALUES ($1, $2, 'evaluate/old', $3, 5, 6, 'done', 3, 1)`,
          [identity.slice(0, 16), identity, text],
        );
        const data = '{"set":"s","item":"i","status":"measured","value":0.5}';
        await tx.run(`INSERT INTO event (seq, run, at, kind, key, data) VALUES (1, 1, 5, 'run.created', NULL, '{}')`);
        await tx.run(
          `INSERT INTO event (seq, run, at, kind, key, data) VALUES (2, 1, 6, 'trial', '["","s","i"]', $1)`,
          [data],
        );
        await tx.run(
          `INSERT INTO event (seq, run, at, kind, key, data) VALUES (3, 1, 6, 'run.status', NULL, '{"status":"done"}')`,
        );
        await tx.run(
          `INSERT INTO trial (seq, run, layer, set_name, item, status, value) VALUES (2, 1, '', 's', 'i', 'measured', 0.5)`,
        );
        await tx.run('UPDATE head SET seq = 3');
      });
      await expect(place.open({ readOnly: true })).rejects.toMatchObject({ code: 'store.old' });
      // Two processes that come at once: one of them migrates.
      const [store, other] = await Promise.all([place.open(), place.open()]);
      expect([store.version, other.version]).toEqual([currentVersion, currentVersion]);
      const found = await store.runs({ text: 'kept' });
      expect(found.items[0]).toMatchObject({ id: identity.slice(0, 16), status: 'done', trials: { measured: 1 } });
      const run = await store.run(identity.slice(0, 6));
      expect(await run.trial('s', 'i')).toMatchObject({ value: 0.5 });
      await run.recordTrial('s', { item: 'new', status: 'measured', value: 1 });
      expect((await run.info()).lastSeq).toBe(4);
      await store.close();
      await other.close();
      await database.close();
    });

    it('refuses a store that a newer program wrote', async () => {
      const place = await newPlace();
      await withRun(place, async () => undefined);
      const database = await openDatabase({ address: place.address });
      await database.transaction((tx) =>
        tx.run(`UPDATE meta SET value = '${currentVersion + 1}' WHERE key = 'version'`),
      );
      await database.close();
      await expect(place.open()).rejects.toMatchObject({ code: 'store.newer' });
    });
  });
}
