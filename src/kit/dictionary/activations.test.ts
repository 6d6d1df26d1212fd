import { describe, expect, test } from 'vitest';
import { random } from '../../core/random.ts';
import { plantedModel } from '../directions/planted-model.ts';
import { activationSource, type ActivationSource, activationStream } from './activations.ts';

/** Text t gives t + 1 activations, each the number of its place in the whole. */
const texts = 7;
const total = (texts * (texts + 1)) / 2;
const reads: number[] = [];
const source: ActivationSource = {
  width: 1,
  counts: Array.from({ length: texts }, (_, t) => t + 1),
  read(chosen) {
    reads.push(chosen.length);
    return Promise.resolve(chosen.map((t) => Float32Array.from({ length: t + 1 }, (_, i) => (t * (t + 1)) / 2 + i)));
  },
};
const everything = Array.from({ length: total }, (_, i) => i);
const take = async (
  stream: { batch(i: number): Promise<Float32Array> },
  from: number,
  to: number,
): Promise<number[]> => {
  const seen: number[] = [];
  for (let i = from; i < to; i++) seen.push(...(await stream.batch(i)));
  return seen;
};

describe.each([
  ['all in the buffer', 100],
  ['a buffer smaller than the texts', 9],
])('%s', (_, buffer) => {
  const open = () => activationStream(source, { batch: 4, buffer }, random('stream'));
  test('each activation is seen once an epoch', async () => {
    // 28 activations in batches of 4: an epoch is seven batches.
    const two = await take(open(), 0, 14);
    if (buffer > total) {
      expect(two.slice(0, total).sort((a, b) => a - b)).toEqual(everything);
      expect(two.slice(total).sort((a, b) => a - b)).toEqual(everything);
    }
    const counts = everything.map((i) => two.filter((one) => one === i).length);
    expect(counts).toEqual(everything.map(() => 2));
    expect(two.slice(0, total)).not.toEqual(everything);
  });
  test('a batch depends on its number alone', async () => {
    const whole = await take(open(), 0, 12);
    expect(await take(open(), 5, 12)).toEqual(whole.slice(20));
    const stream = open();
    const late = await stream.batch(11);
    expect([...(await stream.batch(2)), ...late]).toEqual([...whole.slice(8, 12), ...whole.slice(44, 48)]);
  });
});

test("a model's tap, without the positions that are skipped", async () => {
  const words = new Map([
    ['a', [1, 2]],
    ['b', [3, 4]],
  ]);
  const { network, tokenizer } = plantedModel({ width: 2, words, answers: new Map() });
  const ids = ['a b a', 'b', 'a b'].map((text) => tokenizer.encode(text));
  const read = activationSource(network, 'blocks.1.resid_post', ids, 1);
  expect(read.counts).toEqual([2, 0, 1]);
  const [first, second, third] = await read.read([0, 1, 2]);
  expect([...first!.subarray(0, 2), ...first!.subarray(4, 6)]).toEqual([3, 4, 1, 2]);
  expect([...second!]).toEqual([]);
  expect([...third!.subarray(0, 2)]).toEqual([3, 4]);
  expect(() => activationSource(network, 'blocks.1.attn.pattern', ids)).toThrow(/no width/);
});
