import { expect, test } from 'vitest';
import { collect } from '../../models/reply.ts';
import { plantedModel } from './planted-model.ts';

const words = new Map([
  ['red', [1, 0, 0, 0]],
  ['blue', [0, 1, 0, 0.5]],
  ['and', [0, 0, 0, 0]],
]);
const answers = new Map([
  ['yes', { reading: [5, 0, 0, 0] }],
  ['no', { reading: [0, 5, 0, 0], bias: 1 }],
]);
const model = plantedModel({ width: 4, words, answers, sum: { layer: 1, tokens: 5 } });
const ids = (text: string): number[] => model.tokenizer.encode(text, { specialTokens: 'control' });
const last = async (text: string, site: string): Promise<number[]> => {
  const [result] = await model.network.run([ids(text)], { read: [site], positions: [-1] });
  return [...result!.values[site]!.toFloat64()].slice(0, 4);
};

test('the stream holds the word, and after the head the sum of the text', async () => {
  const text = '<|user|> red blue <|end|> <|assistant|>';
  expect(await last('blue', 'blocks.0.resid_pre')).toEqual([0, 1, 0, 0.5]);
  expect(await last(text, 'blocks.1.resid_pre')).toEqual([0, 0, 0, 0]);
  const summed = await last(text, 'blocks.2.resid_pre');
  [1, 1, 0, 0.5].forEach((value, i) => expect(summed[i]).toBeCloseTo(value, 3));
});

test('it says what the reading makes of the text, and ends its turn', async () => {
  const ask = (content: string) => ({ messages: [{ role: 'user' as const, content }], temperature: 0 });
  expect(await collect(model, ask('red and'))).toMatchObject({ text: 'yes', ended: 'stop' });
  expect(await collect(model, ask('and blue'))).toMatchObject({ text: 'no', ended: 'stop' });
  expect(await collect(model, ask('and and'))).toMatchObject({ text: 'no', ended: 'stop' });
});

test('other words make another model', () => {
  const other = plantedModel({ width: 4, words: new Map([...words, ['red', [1, 0, 0, 0.1]]]), answers });
  expect(other.id).not.toBe(model.id);
  expect(() => plantedModel({ width: 3, words, answers })).toThrow(/odd/);
});
