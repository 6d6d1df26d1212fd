/** The part of the store's contract about leaving and coming back: portable runs, tables, Inspect's logs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, type NewPlace, spec, withRun } from './place.ts';
import { exportInspect, importInspect } from '../../src/store/inspect.ts';
import { exportRun, importRun } from '../../src/store/portable.ts';
import type { Run, Store } from '../../src/store/store.ts';
import { exportEvents, exportTrials } from '../../src/store/tables.ts';
import { createZip, openZip } from '../../src/store/zip.ts';

/** A run with something of everything, a child, a purged transcript and a replaced checkpoint. */
async function fill(run: Run, store: Store): Promise<void> {
  await run.setStatus('running');
  const transcript = await run.keepTranscript({
    messages: [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'hi' },
    ],
  });
  await run.recordTrial('s', { item: 'a', cluster: 'k', status: 'measured', value: 0.25, transcript, why: 'because' });
  await run.recordTrial('s', { item: 'b', status: 'undetermined', why: 'refused' });
  await run.recordTrial('t', { item: 'a', status: 'error', why: 'timeout' });
  await run.addLayer({ name: 'strict', judge: { id: 'j' } });
  await run.recordTrial('s', { item: 'a', status: 'measured', value: 1 }, 'strict');
  await run.recordStep('plan', { items: ['a', 'b'] });
  await run.recordCall('c1', call('question', { costUsd: 0.5 }));
  await run.saveCheckpoint('train', 1, Buffer.alloc(4_000, 'old'));
  await run.saveCheckpoint('train', 2, Buffer.alloc(4_000, 'new'));
  const leaf = await store.artefacts.put(Buffer.from('leaf'), 'text/plain');
  await run.keep('tree', Buffer.from(JSON.stringify({ leaf })), 'application/json');
  const { run: child } = await store.open(spec({ method: 'evaluate/child', parent: { run: run.id, key: 'before' } }));
  await child.recordTrial('s', {
    item: 'x',
    status: 'measured',
    value: 1,
    transcript: await child.keepTranscript('said by the child'),
  });
  await child.setStatus('done');
  await store.purge({ runs: [child.id] });
  await run.setStatus('done');
}

export function exportContract(newPlace: NewPlace): void {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fiducial-export-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  const newFile = (extension: string) => join(folder, `${++files}.${extension}`);

  describe('a portable run', () => {
    it('is the same run elsewhere, its children too, and importing it again changes nothing', async () => {
      const path = newFile('fiducial');
      const [here, there] = [await newPlace(), await newPlace()];
      let digest = '';
      await withRun(here, async (run, store) => {
        await fill(run, store);
        const report = await exportRun(store, run.id, path);
        expect(report).toMatchObject({ runs: 2, bytes: readFileSync(path).length });
        digest = report.digest;
        expect((await exportRun(store, run.id, newFile('fiducial'))).digest).toBe(digest);
      });
      const store = await there.open();
      const first = await importRun(store, path);
      expect(first).toMatchObject({ runs: 2, digest });
      expect(first.events).toBeGreaterThan(12);
      expect(await store.verify()).toEqual([]);
      const run = (await store.open(spec())).run;
      expect(run.id).toBe(first.run);
      expect(await run.info()).toMatchObject({
        status: 'done',
        trials: { measured: 1, undetermined: 1, error: 1 },
        usage: { calls: 1, costUsd: 0.5 },
      });
      expect(await run.step('plan')).toEqual({ value: { items: ['a', 'b'] } });
      expect((await run.call('c1'))!.reply).toEqual({ text: 're: question' });
      expect(
        Buffer.from((await run.checkpoint('train'))!.bytes)
          .toString()
          .slice(0, 3),
      ).toBe('new');
      const trial = (await run.trial('s', 'a'))!;
      expect(await store.artefacts.getJson(trial.transcript!)).toMatchObject({
        messages: [{ content: 'hello' }, { content: 'hi' }],
      });
      const tree = (await store.artefacts.getJson((await run.kept())[0]!.ref)) as { leaf: `sha256:${string}` };
      await store.collect({ graceMs: -1_000 });
      expect(Buffer.from(await store.artefacts.get(tree.leaf)).toString()).toBe('leaf');
      const child = await store.run((await run.children())[0]!.id);
      await expect(store.artefacts.get((await child.trial('s', 'x'))!.transcript!)).rejects.toMatchObject({
        code: 'store.purged',
      });
      const head = await store.head();
      expect((await importRun(store, path)).events).toBe(0);
      expect(await store.head()).toBe(head);
      // What comes out of the second store is what came out of the first.
      expect((await exportRun(store, run.id, newFile('fiducial'))).digest).toBe(digest);
      await store.close();
    });

    it('continues where the other store stood, and refuses a log that went another way', async () => {
      const [here, there] = [await newPlace(), await newPlace()];
      const [early, late] = [newFile('fiducial'), newFile('fiducial')];
      await withRun(here, async (run, store) => {
        await run.recordStep('1', 1);
        await exportRun(store, run.id, early);
        await run.recordStep('2', 2);
        await exportRun(store, run.id, late);
      });
      const store = await there.open();
      expect((await importRun(store, early)).events).toBe(2);
      expect((await importRun(store, late)).events).toBe(1);
      expect((await importRun(store, early)).events).toBe(0);
      const { run } = await store.open(spec());
      await run.recordStep('3', 3);
      expect((await importRun(store, late)).events).toBe(0);
      await store.close();
      const third = await (await newPlace()).open();
      const other = (await third.open(spec())).run;
      await other.recordStep('1', 'another value');
      await expect(importRun(third, late)).rejects.toMatchObject({ code: 'store.import-differs' });
      expect(await other.events()).toHaveLength(2);
      await third.close();
    });

    it('is refused when a byte of it was changed, and when it brings a secret', async () => {
      const path = newFile('fiducial');
      await withRun(await newPlace(), async (run, store) => {
        await fill(run, store);
        await exportRun(store, run.id, path);
      });
      const bytes = readFileSync(path);
      const store = await (await newPlace()).open();
      for (let at = 0; at < bytes.length - 22; at += Math.ceil(bytes.length / 40)) {
        const damaged = newFile('fiducial');
        const copy = Buffer.from(bytes);
        copy[at]! ^= 0x40;
        writeFileSync(damaged, copy);
        // A bit that says nothing (a date, an attribute) may be flipped; the content never comes in changed.
        const result = await importRun(store, damaged).catch((error: { code: string }) => error.code);
        if (typeof result === 'string')
          expect(result).toMatch(/^store\.(bad-archive|compression|newer|import-differs)$/);
        else expect(await store.verify()).toEqual([]);
      }
      writeFileSync(path, bytes.subarray(0, bytes.length - 30));
      await expect(importRun(store, path)).rejects.toMatchObject({ code: 'store.bad-archive' });
      await expect(importRun(store, join(folder, 'absent'))).rejects.toMatchObject({ code: 'store.no-file' });
      await store.close();
      writeFileSync(path, bytes);
      for (const secret of ['said', 'timeout', 'question']) {
        const careful = await (await newPlace()).open({ redact: (text) => text.replaceAll(secret, '***') });
        if (secret === 'said') expect(await importRun(careful, path)).toMatchObject({ runs: 2 });
        else await expect(importRun(careful, path)).rejects.toMatchObject({ code: 'store.import-secret' });
        await careful.close();
      }
    });
  });

  describe('tables', () => {
    it('hold every event and every trial, and no number where nothing was measured', async () => {
      const [events, trials] = [newFile('jsonl'), newFile('parquet')];
      await withRun(await newPlace(), async (run, store) => {
        await fill(run, store);
        const count = await exportEvents(run, events);
        const lines = readFileSync(events, 'utf8')
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as object);
        expect(lines).toHaveLength(count);
        expect(lines).toEqual(await run.events());
        expect(await exportTrials(run, trials)).toBe(4);
        const { asyncBufferFromFile, parquetReadObjects } = await import('hyparquet');
        const rows = await parquetReadObjects({ file: await asyncBufferFromFile(trials) });
        expect(rows).toHaveLength(4);
        expect(rows[0]).toMatchObject({
          run: run.id,
          set: 's',
          layer: '',
          item: 'a',
          cluster: 'k',
          status: 'measured',
          value: 0.25,
          why: 'because',
        });
        expect(rows[1]).toMatchObject({ item: 'b', status: 'undetermined', value: null, transcript: null });
        expect(rows.map((row) => row['layer'])).toEqual(['', '', '', 'strict']);
        await expect(exportEvents(run, join(folder, 'absent', 'x.jsonl'))).rejects.toMatchObject({
          code: 'store.unwritable',
        });
      });
    });
  });

  describe("Inspect's logs", () => {
    it('come in with nothing taken for a zero that was not measured', async () => {
      const path = newFile('eval');
      const zip = await createZip(path);
      const about = {
        task: 'theory',
        model: 'openai/gpt',
        packages: { inspect_ai: '0.3.260' },
        dataset: {},
        config: {},
        created: '2026-08-01T00:00:00Z',
      };
      const score = (value: unknown, explanation?: string) => ({
        value,
        ...(explanation === undefined ? {} : { explanation }),
      });
      const samples = [
        {
          id: 1,
          epoch: 1,
          scores: { judge: score('C', 'right') },
          messages: [{ role: 'user', content: 'attachment://abc' }],
          attachments: { abc: 'the long text' },
        },
        { id: 1, epoch: 2, scores: { judge: score('I') } },
        { id: 'p', epoch: 1, scores: { judge: score('P'), number: score(0.3) } },
        { id: 'n', epoch: 1, scores: { judge: score('N') } },
        { id: 'refused', epoch: 1, scores: { judge: score(null, 'the judge refused') } },
        { id: 'text', epoch: 1, scores: { judge: score('rather good') } },
        { id: 'several', epoch: 1, scores: { dims: score({ harm: 2, style: true }) } },
        {
          id: 'failed',
          epoch: 1,
          error: { message: 'RateLimit', traceback: '', traceback_ansi: '' },
          scores: { judge: score('I') },
        },
        { id: 'never', epoch: 1 },
      ];
      await zip.add('_journal/start.json', JSON.stringify({ version: 2, eval: about, plan: {} }));
      for (const sample of samples)
        await zip.add(
          `samples/${sample.id}_epoch_${sample.epoch}.json`,
          JSON.stringify({ input: 'q', target: 'a', messages: [], output: {}, metadata: {}, ...sample }),
        );
      await zip.add(
        'samples/nan_epoch_1.json',
        '{"id": "nan", "epoch": 1, "scores": {"judge": {"value": NaN, "explanation": "say \\"NaN\\" or NaN"}}}',
      );
      await zip.add('header.json', JSON.stringify({ version: 2, status: 'success', eval: about, plan: {} }));
      await zip.finish();
      const store = await (await newPlace()).open();
      const { run, samples: count } = await importInspect(store, path);
      expect(count).toBe(10);
      const judged = Object.fromEntries(
        (await run.trials({ set: 'judge', limit: 100 })).items.map((trial) => [
          trial.item,
          trial.status === 'measured' ? trial.value : trial.status,
        ]),
      );
      expect(judged).toEqual({
        '1': 1,
        '1#2': 0,
        p: 0.5,
        n: 'undetermined',
        refused: 'undetermined',
        text: 'undetermined',
        failed: 'error',
        nan: 'undetermined',
      });
      expect((await run.trial('judge', 'nan'))!.why).toContain('say "NaN" or NaN');
      expect((await run.trial('judge', '1#2'))!.cluster).toBe('1');
      expect(await run.trial('dims/harm', 'several')).toMatchObject({ value: 2 });
      expect(await run.trial('dims/style', 'several')).toMatchObject({ value: 1 });
      expect(await run.trial('sample', 'never')).toMatchObject({ status: 'undetermined' });
      expect(await store.artefacts.getJson((await run.trial('judge', '1'))!.transcript!)).toMatchObject({
        messages: [{ content: 'the long text' }],
      });
      expect((await run.info()).status).toBe('done');
      const head = await store.head();
      expect((await importInspect(store, path)).run.id).toBe(run.id);
      expect((await run.trials({ limit: 100 })).total).toBe(12);
      expect(await run.events({ kinds: ['run.status'] })).toHaveLength(1);
      expect(head).toBeGreaterThan(0);
      await store.close();
    });

    it('go out with the same figures, and come back as they were', async () => {
      const path = newFile('eval');
      await withRun(await newPlace(), async (run, store) => {
        await fill(run, store);
        expect(await exportInspect(store, run, path)).toBe(2);
        const zip = await openZip(path);
        const json = async (name: string) =>
          JSON.parse(Buffer.from(await zip.read(name)).toString()) as Record<string, unknown>;
        expect([...zip.entries.keys()].sort()).toEqual([
          '_journal/start.json',
          '_journal/summaries/1.json',
          'header.json',
          'reductions.json',
          'samples/a_epoch_1.json',
          'samples/b_epoch_1.json',
          'summaries.json',
        ]);
        expect(await json('header.json')).toMatchObject({
          version: 2,
          status: 'success',
          results: {
            total_samples: 2,
            completed_samples: 1,
            scores: [
              { name: 's', metrics: { mean: { value: 0.25 } } },
              { name: 't', metrics: {} },
            ],
          },
        });
        expect(await json('samples/a_epoch_1.json')).toMatchObject({
          id: 'a',
          input: 'hello',
          scores: { s: { value: 0.25 } },
          error: { message: 'timeout' },
          messages: [{ role: 'user' }, { role: 'assistant', content: 'hi' }],
        });
        await zip.close();
      });
      const store = await (await newPlace()).open();
      const { run } = await importInspect(store, path);
      expect(await run.trial('s', 'a')).toMatchObject({
        status: 'measured',
        value: 0.25,
        cluster: 'k',
        why: 'because',
      });
      expect(await run.trial('s', 'b')).toMatchObject({ status: 'undetermined', why: 'refused' });
      expect(await run.trial('t', 'a')).toMatchObject({ status: 'error', why: 'timeout' });
      await store.close();
    });

    it('of a newer format, and files that are none, are refused by name', async () => {
      const path = newFile('eval');
      const zip = await createZip(path);
      await zip.add('header.json', JSON.stringify({ version: 3, eval: {} }));
      await zip.finish();
      const store = await (await newPlace()).open();
      await expect(importInspect(store, path)).rejects.toMatchObject({ code: 'store.newer' });
      const none = newFile('eval');
      const empty = await createZip(none);
      await empty.finish();
      await expect(importInspect(store, none)).rejects.toMatchObject({ code: 'store.bad-archive' });
      writeFileSync(none, 'text');
      await expect(importInspect(store, none)).rejects.toMatchObject({ code: 'store.bad-archive' });
      await store.close();
    });
  });
}
