/** The part of the store's contract about trials, rescoring layers and labels by people. */
import { describe, expect, it } from 'vitest';
import { type NewPlace, spec, withRun } from './place.ts';
import type { Observation } from '../../src/core/index.ts';
import { measuredValue } from '../../src/store/project.ts';
import type { Trial, TrialQuery } from '../../src/store/store.ts';

const awkwardNames = [
  'a',
  'A',
  'ä',
  '雪',
  '😀',
  "o'clock",
  '100%',
  'a_b',
  'a\\b',
  '["","s","a"]',
  ' ',
  'line\nbreak',
  '#'.repeat(1_024),
];

export function trialContract(newPlace: NewPlace): void {
  describe('trials', () => {
    it('are recorded once, whatever their names, and counted by what was seen', async () => {
      const place = await newPlace();
      await withRun(place, async (run, store) => {
        const statuses = ['measured', 'undetermined', 'error'] as const;
        const recorded = await Promise.all(
          awkwardNames.flatMap((item, i) => {
            const status = statuses[i % 3]!;
            const observation: Observation =
              status === 'measured' ? { item, status, value: i } : { item, status, why: `because\0 ${item}` };
            return [run.recordTrial('s', observation), run.recordTrial(`set ${item.slice(0, 9)}`, observation)];
          }),
        );
        expect(new Set(recorded.map((trial) => trial.seq)).size).toBe(awkwardNames.length * 2);
        const again = await run.recordTrial('s', { item: 'a', status: 'error', why: 'a second opinion' });
        expect(again).toMatchObject({ status: 'measured', value: 0 });
        for (const item of awkwardNames) expect((await run.trial('s', item))!.item).toBe(item);
        expect(await run.trial('s', 'never')).toBeUndefined();
        expect((await run.counts())['s']).toEqual({ measured: 5, undetermined: 4, error: 4 });
        expect((await run.info()).trials).toEqual({ measured: 10, undetermined: 8, error: 8 });
        expect(await store.verify()).toEqual([]);
      });
    });

    it('refuse a value that was not measured, and a measurement without one', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => {
        const bad = [
          { item: 'x', status: 'undetermined', value: 0 },
          { item: 'x', status: 'error', value: 1 },
          { item: 'x', status: 'measured' },
          { item: 'x', status: 'measured', value: Number.NaN },
          { item: 'x', status: 'safe', value: 1 },
          { item: 'x', status: 'error' },
        ];
        for (const observation of bad)
          await expect(run.recordTrial('s', observation as Observation)).rejects.toMatchObject({
            code: 'store.bad-observation',
          });
        expect((await run.trials()).total).toBe(0);
      });
    });

    it('page through every order without a gap or a repetition, while more arrive', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => {
        for (let i = 0; i < 53; i++) {
          const observation: Observation =
            i % 4 === 3
              ? { item: `i${i}`, status: 'error', why: `Timeout ${i}` }
              : { item: `i${i}`, cluster: `c${i % 5}`, status: 'measured', value: (i * 7) % 10 };
          await run.recordTrial(i % 2 === 0 ? 'even' : 'odd', observation);
        }
        const all = async (query: TrialQuery, disturb = false) => {
          const items: Trial[] = [];
          for (let cursor: string | undefined; ;) {
            const page = await run.trials({ ...query, limit: 6, ...(cursor === undefined ? {} : { cursor }) });
            items.push(...page.items);
            if (page.next === undefined) {
              if (!disturb) expect(page.total).toBe(items.length);
              return items;
            }
            cursor = page.next;
            if (disturb)
              await run.recordTrial('even', { item: `late ${items.length}`, status: 'undetermined', why: 'late' });
          }
        };
        const recorded = await all({});
        expect(recorded.map((trial) => trial.seq)).toEqual(recorded.map((trial) => trial.seq).sort((a, b) => a - b));
        const byItem = await all({ order: 'item' });
        expect(byItem.map((trial) => trial.item)).toEqual(recorded.map((trial) => trial.item).sort());
        const byValue = (await all({ order: 'value' })).map((trial) => measuredValue(trial) ?? -1);
        expect(byValue).toEqual([...byValue].sort((a, b) => b - a));
        expect(byValue).toHaveLength(53);
        expect(await all({ set: 'odd' })).toHaveLength(26);
        expect(await all({ status: 'error' })).toHaveLength(13);
        expect(await all({ status: ['error', 'measured'], set: 'even' })).toHaveLength(27);
        expect((await all({ cluster: 'c2' })).every((trial) => trial.cluster === 'c2')).toBe(true);
        expect((await all({ minValue: 8, maxValue: 9 })).every((trial) => measuredValue(trial)! >= 8)).toBe(true);
        expect((await all({ text: 'timeout 5' })).map((trial) => trial.item)).toEqual(['i51']);
        expect((await run.trials({ text: '%' })).total).toBe(0);
        for (const order of ['recorded', 'item', 'value'] as const) {
          const whole = await all({ order, set: 'even' });
          const jump = await run.trials({ order, set: 'even', offset: 11, limit: 5 });
          expect([jump.items, jump.total]).toEqual([whole.slice(11, 16), 27]);
        }
        await expect(run.trials({ offset: -1 })).rejects.toMatchObject({ code: 'store.bad-offset' });
        const disturbed = await all({ order: 'value' }, true);
        expect(new Set(disturbed.map((trial) => trial.item)).size).toBe(disturbed.length);
        expect(disturbed.filter((trial) => !trial.item.startsWith('late'))).toHaveLength(53);
        const streamed: string[] = [];
        for await (const trial of run.eachTrial({ set: 'odd' })) streamed.push(trial.item);
        expect(streamed).toHaveLength(26);
      });
    });

    it('are read again by another judge in a layer, and leave the first reading alone', async () => {
      const place = await newPlace();
      await withRun(place, async (run, store) => {
        const transcript = await run.keepTranscript({ messages: ['hello'] });
        await run.recordTrial('s', { item: 'a', status: 'measured', value: 1, transcript });
        await run.addLayer({ name: 'strict', judge: { id: 'j', prompt: 'p' } });
        await run.addLayer({ name: 'strict', judge: { prompt: 'p', id: 'j' } });
        await expect(run.addLayer({ name: 'strict', judge: { id: 'other' } })).rejects.toMatchObject({
          code: 'store.layer-differs',
        });
        for await (const trial of run.eachTrial()) {
          expect(await store.artefacts.getJson(trial.transcript!)).toEqual({ messages: ['hello'] });
          await run.recordTrial(
            trial.set,
            { item: trial.item, status: 'undetermined', why: 'the judge refused', transcript },
            'strict',
          );
        }
        expect(await run.layers()).toEqual([{ name: 'strict', judge: { id: 'j', prompt: 'p' } }]);
        expect(await run.trial('s', 'a')).toMatchObject({ status: 'measured', value: 1, layer: '' });
        expect(await run.trial('s', 'a', 'strict')).toMatchObject({ status: 'undetermined', layer: 'strict' });
        expect(await run.counts('strict')).toEqual({ s: { measured: 0, undetermined: 1, error: 0 } });
        expect((await run.info()).trials).toEqual({ measured: 1, undetermined: 0, error: 0 });
        expect(await store.verify()).toEqual([]);
      });
    });

    it('wait for people: asked once, answered by several, corrected without losing what was said', async () => {
      const place = await newPlace();
      await withRun(place, async (run) => {
        for (const item of ['a', 'b', 'a'])
          await run.askLabel({ name: 'harmful', item, set: 's', show: { text: item } });
        await run.setStatus('waiting', '2 labels');
        expect((await run.questions()).map((question) => question.item)).toEqual(['a', 'b']);
        await run.label({ name: 'harmful', item: 'a', set: 's', labeller: 'kim', value: true });
        await run.label({ name: 'harmful', item: 'a', set: 's', labeller: 'lee', value: true });
        await run.label({ name: 'harmful', item: 'a', set: 's', labeller: 'kim', value: false, note: 'on reflection' });
        expect((await run.questions()).map((question) => question.item)).toEqual(['b']);
        expect(await run.questions(true)).toHaveLength(2);
        expect((await run.labels()).map((label) => [label.labeller, label.value])).toEqual([
          ['kim', false],
          ['lee', true],
        ]);
        expect(await run.labels(true)).toHaveLength(3);
      });
      const store = await place.open();
      expect((await (await store.open(spec())).run.info()).status).toBe('waiting');
      await store.close();
    });
  });
}
