import { describe, expect, it } from 'vitest';
import { random } from '../core/random.ts';
import { heldSessions, narrow, releaseSessions, sub, sum, type Tensor, tensor } from '../engine/index.ts';
import { describe as describeConfig } from './architecture/architectures.ts';
import { Network, type Objective } from './network.ts';
import { parameterShapes } from './parameters.ts';

/** A small random network, in memory. */
function smallNetwork(config: { readonly [key: string]: number | string | boolean }): Network {
  const description = describeConfig(config);
  const stream = random('network.test');
  const parameters = new Map<string, Tensor>();
  for (const [name, shape] of parameterShapes(description)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    stream.split(name).fillNormal(data, name.includes('norm') || /ln_/.test(name) ? 1 : 0, 0.2);
    parameters.set(name, tensor(data, { shape }));
  }
  return new Network(description, config, parameters);
}

const gpt2 = { model_type: 'gpt2', n_embd: 32, n_layer: 3, n_head: 4, n_positions: 128, vocab_size: 97 };
const llama = {
  model_type: 'llama',
  hidden_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  max_position_embeddings: 128,
  vocab_size: 97,
};
const stream = random('texts');
const text = (length: number, name: string): number[] =>
  Array.from({ length }, (_, i) => stream.split(name).split(i).integer(97));
const largest = (a: Tensor, b: Tensor): number => {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [a.toFloat64(), b.toFloat64()];
  return x.reduce((worst, value, i) => Math.max(worst, Math.abs(value - y[i]!)), 0);
};

describe.each([gpt2, llama])('a $model_type network', (config) => {
  const network = smallNetwork(config);

  it('gives a text the same in a ragged batch, on either padding side, and alone', async () => {
    const texts = [5, 16, 3, 40, 1, 33].map((length, i) => text(length, `ragged ${i}`));
    const read = ['blocks.1.resid_post', 'blocks.2.attn.pattern', 'blocks.0.attn.z', 'ln_final.normalized', 'embed'];
    const right = await network.run(texts, { read });
    const left = await network.run(texts, { read, padding: 'left' });
    for (const [i, ids] of texts.entries()) {
      const [alone] = await network.run([ids], { read });
      expect(right[i]!.logits!.shape).toEqual([ids.length, 97]);
      expect(largest(right[i]!.logits!, alone!.logits!)).toBeLessThan(1e-4);
      expect(largest(left[i]!.logits!, alone!.logits!)).toBeLessThan(1e-4);
      for (const site of read) {
        expect(largest(right[i]!.values[site]!, alone!.values[site]!), site).toBeLessThan(1e-4);
        expect(largest(left[i]!.values[site]!, alone!.values[site]!), site).toBeLessThan(1e-4);
      }
    }
  });

  it('reads only the positions asked for', async () => {
    const texts = [text(20, 'a'), text(9, 'b')];
    const read = ['blocks.1.mlp.post', 'blocks.2.attn.attn_scores', 'ln_final.scale'];
    const whole = await network.run(texts, { read });
    const some = await network.run(texts, { read, positions: [-1, 2] });
    texts.forEach((ids, i) => {
      const rows = [ids.length - 1, 2];
      expect(some[i]!.logits!.shape).toEqual([2, 97]);
      rows.forEach((row, at) => {
        const pick = (t: Tensor, r: number): number[] =>
          Array.from(t.toFloat64().slice(r * t.shape[1]!, (r + 1) * t.shape[1]!));
        pick(some[i]!.logits!, at).forEach((x, c) => expect(x).toBeCloseTo(pick(whole[i]!.logits!, row)[c]!, 4));
        const post = 'blocks.1.mlp.post';
        pick(some[i]!.values[post]!, at).forEach((x, c) =>
          expect(x).toBeCloseTo(pick(whole[i]!.values[post]!, row)[c]!, 4),
        );
      });
      expect(some[i]!.values['blocks.2.attn.attn_scores']!.shape).toEqual([4, 2, ids.length]);
      expect(some[i]!.values['ln_final.scale']!.shape).toEqual([2, 1]);
    });
  });

  it('restores a clean run when every position is patched with what it had, and differs when not', async () => {
    const [clean, other] = [text(12, 'clean'), text(12, 'other')];
    for (const site of ['blocks.0.resid_pre', 'blocks.1.resid_mid', 'blocks.2.resid_post']) {
      const [from] = await network.run([clean], { read: [site] });
      const value = from!.values[site]!.data as Float32Array;
      const [patched] = await network.run([other], { interventions: [{ site, value }] });
      expect(largest(patched!.logits!, from!.logits!), site).toBeLessThan(1e-4);
      const [untouched] = await network.run([other]);
      expect(largest(untouched!.logits!, from!.logits!)).toBeGreaterThan(0.1);
    }
  });

  it('touches one head at one position of one text and nothing else', async () => {
    const texts = [text(10, 'x'), text(10, 'y')];
    const site = 'blocks.1.attn.z';
    const before = await network.run(texts, { read: [site] });
    const after = await network.run(texts, {
      read: [site],
      interventions: [{ site, texts: [1], positions: [4], heads: [2], value: 0 }],
    });
    expect(largest(before[0]!.values[site]!, after[0]!.values[site]!)).toBe(0);
    const [a, b] = [before[1]!.values[site]!.toFloat64(), after[1]!.values[site]!.toFloat64()];
    a.forEach((value, i) => {
      const [position, head] = [Math.floor(i / 32), Math.floor(i / 8) % 4];
      expect(b[i]).toBe(position === 4 && head === 2 ? 0 : value);
    });
  });

  it('adds twice at one place, and scales', async () => {
    const ids = text(6, 'twice');
    const site = 'blocks.1.mlp_out';
    const vector = new Float32Array(32).fill(0.5);
    const add = { site, positions: [3], mode: 'add' as const, value: vector };
    const double = { ...add, value: vector.map((x) => 2 * x) };
    const [twice] = await network.run([ids], { interventions: [add, add] });
    const [once] = await network.run([ids], { interventions: [double] });
    expect(largest(twice!.logits!, once!.logits!)).toBeLessThan(1e-5);
    const [read] = await network.run([ids], { read: [site], interventions: [{ site, mode: 'scale', factor: -2 }] });
    const [plain] = await network.run([ids], { read: [site] });
    const [x, y] = [read!.values[site]!.toFloat64(), plain!.values[site]!.toFloat64()];
    x.forEach((value, i) => expect(value).toBeCloseTo(-2 * y[i]!, 4));
  });

  it('gives gradients at sites that agree with differences of the objective', async () => {
    const ids = text(7, 'gradient');
    const margin: Objective = (logits) =>
      sum(sub(narrow(narrow(logits, 1, 6, 7), 2, 5, 6), narrow(narrow(logits, 1, 6, 7), 2, 8, 9)));
    const site = 'blocks.1.resid_mid';
    const [gradient] = await network.gradients([ids], margin, [site]);
    const at = [2 * 32 + 7, 6 * 32 + 30];
    for (const index of at) {
      const value = async (step: number): Promise<number> => {
        const vector = new Float32Array(32);
        vector[index % 32] = step;
        const [result] = await network.run([ids], {
          interventions: [{ site, positions: [Math.floor(index / 32)], mode: 'add', value: vector }],
        });
        const logits = result!.logits!.toFloat64();
        return logits[6 * 97 + 5]! - logits[6 * 97 + 8]!;
      };
      const difference = ((await value(0.02)) - (await value(-0.02))) / 0.04;
      expect(gradient![site]!.toFloat64()[index]).toBeCloseTo(difference, 2);
    }
  });

  it('scores tokens as the logits say', async () => {
    const texts = [text(14, 's'), text(3, 't')];
    const scores = await network.logProbabilities(texts);
    const runs = await network.run(texts);
    texts.forEach((ids, i) => {
      expect(scores[i]![0]).toBe(0);
      for (let t = 1; t < ids.length; t++) {
        const row = runs[i]!.logits!.toFloat64().slice((t - 1) * 97, t * 97);
        const total = Math.log(row.reduce((a, x) => a + Math.exp(x), 0));
        expect(scores[i]![t]).toBeCloseTo(row[ids[t]!]! - total, 4);
      }
    });
  });
});

it('runs a thousand ragged texts and a sweep over layers, heads and positions in at most a dozen sessions', async () => {
  await releaseSessions();
  const network = smallNetwork(llama);
  const lengths = Array.from({ length: 1000 }, (_, i) => 1 + random('lengths').split(i).integer(128));
  const texts = lengths.map((length, i) => text(length, `sweep ${i}`));
  await network.run(texts, { read: ['blocks.2.resid_post'], positions: [-1], withoutLogits: true });
  const [clean, corrupt] = [text(12, 'one'), text(12, 'two')];
  const sites = ['blocks.0.attn.z', 'blocks.1.attn.z', 'blocks.2.attn.z'];
  const [source] = await network.run([clean], { read: sites });
  for (const site of sites) {
    for (let head = 0; head < 4; head++) {
      for (let position = 0; position < 12; position += 4) {
        const value = (source!.values[site]!.data as Float32Array).slice(
          (position * 4 + head) * 8,
          (position * 4 + head + 1) * 8,
        );
        await network.run([corrupt], {
          positions: [-1],
          interventions: [{ site, positions: [position], heads: [head], value }],
        });
      }
    }
  }
  expect(heldSessions().length).toBeLessThanOrEqual(12);
});

describe('bad input', () => {
  const network = smallNetwork(gpt2);
  it.each([
    [
      'a site that does not exist',
      () => network.run([[1]], { read: ['blocks.1.resid_prr'] }),
      /Did you mean blocks\.1\.resid_pre/,
    ],
    ['a layer that does not exist', () => network.run([[1]], { read: ['blocks.3.resid_pre'] }), /with 3 layers/],
    ['a token past the vocabulary', () => network.run([[97]]), /token id 97/],
    ['an empty text', () => network.run([[]]), /no tokens/],
    ['a text past the context', () => network.run([text(129, 'long')]), /129 tokens.*128/],
    ['a position past the text', () => network.run([[1, 2]], { positions: [2] }), /position 2 of a text with 2 tokens/],
    [
      'a head that does not exist',
      () => network.run([[1]], { interventions: [{ site: 'blocks.0.attn.z', heads: [4] }] }),
      /head 4/,
    ],
    [
      'a vector of the wrong length',
      () => network.run([[1]], { interventions: [{ site: 'embed', value: new Float32Array(5) }] }),
      /5 numbers/,
    ],
  ])('%s', async (_, call, message) => {
    await expect(call()).rejects.toMatchObject({ name: 'FiducialError' });
    await expect(call()).rejects.toSatisfy((error) => message.test((error as { toText(): string }).toText()));
  });
});
