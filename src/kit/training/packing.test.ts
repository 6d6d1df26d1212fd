import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { batchArrays, packBatch, packingBegins, type PackState } from './packing.ts';
import { iterableSource, shuffledSource, type TextSource, type TrainingText } from './texts.ts';

const stream = random('packing.test');
const textOf = (index: number): TrainingText => {
  const length = 2 + stream.split(index).integer(14);
  return { ids: Array.from({ length }, (_, t) => (index * 31 + t) % 1000) };
};
const finite = (length: number): TextSource => ({ length, text: textOf });
const options = { rows: 4, time: 16, vocabulary: 1000 };

async function all(
  source: TextSource,
  end: number,
): Promise<{ firsts: number[]; fills: number[]; states: PackState[] }> {
  const [firsts, fills, states]: [number[], number[], PackState[]] = [[], [], []];
  for (let state = packingBegins; ;) {
    const packed = await packBatch(source, state, { ...options, end });
    if (packed === undefined) return { firsts, fills, states };
    state = packed.state;
    states.push(state);
    const cells = new Set<number>();
    let filled = 0;
    for (const { text, row, offset } of packed.placed) {
      firsts.push(text.ids[0]!);
      for (let t = 0; t < text.ids.length - 1; t++) cells.add(row * options.time + offset + t);
      filled += text.ids.length - 1;
      expect(offset + text.ids.length - 1).toBeLessThanOrEqual(options.time);
    }
    expect(cells.size).toBe(filled); // no two texts in one place
    fills.push(filled / (options.rows * options.time));
  }
}

describe('packing', () => {
  it('places every text once and wastes little', async () => {
    const { firsts, fills } = await all(finite(400), 400);
    const wanted = Array.from({ length: 400 }, (_, index) => textOf(index).ids[0]!);
    expect(firsts.sort((a, b) => a - b)).toEqual(wanted.sort((a, b) => a - b));
    expect(fills.slice(0, -1).reduce((a, b) => a + b, 0) / (fills.length - 1)).toBeGreaterThan(0.9);
  });

  it('goes on from its state as if it had never stopped', async () => {
    const { states } = await all(finite(200), 200);
    const resumed = JSON.parse(JSON.stringify(states[3]!)) as PackState;
    const [a, b] = await Promise.all([
      packBatch(finite(200), resumed, { ...options, end: 200 }),
      packBatch(finite(200), states[3]!, { ...options, end: 200 }),
    ]);
    expect(a!.placed.map(({ row, offset }) => [row, offset])).toEqual(
      b!.placed.map(({ row, offset }) => [row, offset]),
    );
    expect(a!.state).toEqual(states[4]);
  });

  it('refuses a text that is longer than a row, and cuts it only where that is allowed', async () => {
    const long: TextSource = { length: 1, text: () => ({ ids: Array.from({ length: 40 }, (_, i) => i) }) };
    await expect(packBatch(long, packingBegins, { ...options, end: 1 })).rejects.toMatchObject({
      code: 'train.too-long',
    });
    const cut = await packBatch(long, packingBegins, { ...options, end: 1, mayCut: true });
    expect(cut!.placed[0]!.text.ids).toHaveLength(17);
  });

  it('refuses a token that the vocabulary does not hold, and weights that do not fit', async () => {
    const bad = (text: TrainingText) =>
      packBatch({ length: 1, text: () => text }, packingBegins, { ...options, end: 1 });
    await expect(bad({ ids: [1, 1000] })).rejects.toMatchObject({ code: 'train.bad-text' });
    await expect(bad({ ids: [1, 2, 3], weights: [1, 1] })).rejects.toMatchObject({ code: 'train.bad-text' });
  });
});

describe('arrays of a batch', () => {
  it('number texts apart, begin positions anew, and point each place at the next token', () => {
    const placed = [
      { text: { ids: [5, 6, 7] }, row: 0, offset: 0 },
      { text: { ids: [8, 9], weights: [0, 0.5] }, row: 0, offset: 2 },
      { text: { ids: [1, 2, 3, 4], weights: [9, 0, 0, 1] }, row: 1, offset: 0 },
    ];
    const { arrays, weight, tokens } = batchArrays(placed, 2, 4);
    expect([...arrays.tokens.toFloat64()]).toEqual([5, 6, 8, 0, 1, 2, 3, 0]);
    expect([...arrays.positions.toFloat64()]).toEqual([0, 1, 0, -1, 0, 1, 2, -1]);
    expect([...arrays.texts.toFloat64()]).toEqual([0, 0, 1, -1, 2, 2, 2, -1]);
    expect([...arrays.at!.toFloat64()]).toEqual([0, 1, 2, 6]);
    expect([...arrays.targets.toFloat64()]).toEqual([6, 7, 9, 4]);
    expect([...arrays.weights.toFloat64()]).toEqual([1, 1, 0.5, 1]);
    expect([weight, tokens]).toEqual([3.5, 6]);
  });

  it('takes few shapes, whatever share of the places has a loss', () => {
    const shapes = new Set<string>();
    for (let learned = 1; learned <= 64; learned++) {
      const ids = Array.from({ length: 65 }, (_, i) => i);
      const text = { ids, weights: ids.map((i) => (i > 0 && i <= learned ? 1 : 0)) };
      const { arrays, weight } = batchArrays([{ text, row: 0, offset: 0 }], 1, 64);
      expect(weight).toBe(learned);
      expect(arrays.weights.toFloat64().reduce((a, b) => a + b, 0)).toBe(learned);
      shapes.add(arrays.at?.shape.join() ?? 'all');
    }
    expect(shapes.size).toBeLessThanOrEqual(7);
  });
});

describe('sources', () => {
  const texts = Array.from({ length: 50 }, (_, index) => textOf(index));

  it('shuffle every pass in its own way, and each pass holds every text', () => {
    const source = shuffledSource(texts, random(3));
    const pass = (at: number): TrainingText[] =>
      texts.map((_, i) => source.text(at * texts.length + i) as TrainingText);
    expect(new Set(pass(0))).toEqual(new Set(texts));
    expect(new Set(pass(1))).toEqual(new Set(texts));
    expect(pass(1)).not.toEqual(pass(0));
    expect(pass(0)).toEqual(shuffledSource(texts, random(3)).length === 50 ? pass(0) : []);
  });

  it('iterate again where an earlier text is wanted', async () => {
    let begun = 0;
    const source = iterableSource(function* () {
      begun++;
      yield* texts;
    });
    expect(await source.text(9)).toBe(texts[9]);
    expect(await source.text(4)).toBe(texts[4]); // still at hand
    expect(begun).toBe(1);
    expect(await iterableSource(() => texts).text(49)).toBe(texts[49]);
    await expect((async () => await source.text(50))()).rejects.toMatchObject({ code: 'train.source-ended' });
  });
});
