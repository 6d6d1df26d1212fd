import { describe, expect, it } from 'vitest';
import { random } from '../core/random.ts';
import { compile, crossEntropy, mul, sum, tensor, type Tensor, valueAndGrad } from '../engine/index.ts';
import { forward, type ForwardInputs } from './forward.ts';
import { RANDOM_CONFIGURATIONS, randomModel } from './generate/random-model.ts';
import { initialiseNetwork } from './initialise.ts';

const texts = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [53, 58, 9],
  [7, 9, 3, 2, 3],
];

/** Texts one after another in one row, and each in a row of its own; the last two places hold nothing. */
function laidOut(isPacked: boolean): { tokens: Tensor; positions: Tensor; texts: Tensor | undefined; at: number[] } {
  const time = 18;
  const rows = isPacked ? 1 : texts.length;
  const tokens = new Int32Array(rows * time);
  const positions = new Int32Array(rows * time).fill(-1);
  const numbers = new Int32Array(rows * time).fill(-1);
  const at: number[] = [];
  let offset = 0;
  texts.forEach((text, number) => {
    const start = isPacked ? offset : number * time;
    text.forEach((id, t) => {
      tokens[start + t] = id;
      positions[start + t] = t;
      numbers[start + t] = number;
      at.push(start + t);
    });
    offset += text.length;
  });
  const whole = (data: Int32Array): Tensor => tensor(data, { shape: [rows, time] });
  return { tokens: whole(tokens), positions: whole(positions), texts: isPacked ? whole(numbers) : undefined, at };
}

/** Logits of every token and the gradient of a loss over them, by layout. */
async function both(name: keyof typeof RANDOM_CONFIGURATIONS, isPacked: boolean, hidesTexts = false) {
  const { description, weights } = named(name);
  const { at, texts: numbers, ...inputs } = laidOut(isPacked);
  const targets = tensor(Int32Array.from(at, (_, i) => (i * 7) % description.vocabulary));
  const run = compile((parameters: { readonly [name: string]: Tensor }, given: ForwardInputs) => {
    let logits: Tensor;
    const { value, gradient } = valueAndGrad((p: { readonly [name: string]: Tensor }) => {
      logits = forward(description, given, { weights: (parameter) => p[parameter]! }).logits!;
      return sum(mul(crossEntropy(logits, targets).loss, 0.1));
    })(parameters);
    return { value, gradient, logits: logits! };
  });
  const given = {
    ...inputs,
    logitsAt: tensor(Int32Array.from(at)),
    ...(numbers === undefined || hidesTexts ? {} : { texts: numbers }),
  };
  return await run(weights, given);
}

function named(name: keyof typeof RANDOM_CONFIGURATIONS) {
  const model = randomModel(RANDOM_CONFIGURATIONS[name]);
  const { description } = model;
  const { weights } = model.forwardOptions();
  const names = [...model.parameters.keys()];
  return { description, weights: Object.fromEntries(names.map((each) => [each, weights(each)])) };
}

function apart(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [a.toFloat64(), b.toFloat64()];
  return x.reduce((worst, value, i) => Math.max(worst, Math.abs(value - y[i]!)), 0);
}

describe.each(['llama', 'gpt2', 'mistral', 'gemma2'] as const)('packed texts in %s', (name) => {
  it('have the logits, loss and gradient that they have in rows of their own', async () => {
    const [packed, alone] = await Promise.all([both(name, true), both(name, false)]);
    expect(apart(packed.logits, alone.logits)).toBeLessThan(2e-5);
    expect(packed.value.item()).toBeCloseTo(alone.value.item(), 5);
    for (const [parameter, gradient] of Object.entries(packed.gradient)) {
      expect(apart(gradient, alone.gradient[parameter]!), parameter).toBeLessThan(2e-5);
    }
  });

  it('would see each other without the numbers of their texts', async () => {
    const [leaking, alone] = await Promise.all([both(name, true, true), both(name, false)]);
    expect(apart(leaking.logits, alone.logits)).toBeGreaterThan(1e-3);
  });
});

describe('a network that has learned nothing', () => {
  const config = {
    model_type: 'llama',
    vocab_size: 300,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    max_position_embeddings: 32,
  };

  it('has a loss of the logarithm of its vocabulary, deviations as documented, and its seed decides', async () => {
    const network = initialiseNetwork(config, random(1));
    const ids = Array.from({ length: 32 }, (_, i) => (i * 37) % 300);
    const [scores] = await network.logProbabilities([ids]);
    const mean = -scores!.slice(1).reduce((total, value) => total + value, 0) / 31;
    expect(Math.abs(mean - Math.log(300))).toBeLessThan(0.1);
    const deviation = (name: string): number => {
      const data = network.parameters.get(name)!.toFloat64();
      return Math.sqrt(data.reduce((total, value) => total + value * value, 0) / data.length);
    };
    expect(deviation('model.embed_tokens.weight')).toBeCloseTo(0.02, 3);
    expect(deviation('model.layers.0.self_attn.q_proj.weight')).toBeCloseTo(1 / 8, 2);
    expect(deviation('model.layers.1.mlp.down_proj.weight')).toBeCloseTo(1 / Math.sqrt(128 * 4), 2);
    expect(deviation('model.norm.weight')).toBe(1);
    const [again, other] = [initialiseNetwork(config, random(1)), initialiseNetwork(config, random(2))];
    const name = 'model.layers.1.mlp.up_proj.weight';
    expect(apart(network.parameters.get(name)!, again.parameters.get(name)!)).toBe(0);
    expect(apart(network.parameters.get(name)!, other.parameters.get(name)!)).toBeGreaterThan(0.1);
    // A deeper network begins with the numbers of the shallower one.
    const deeper = initialiseNetwork({ ...config, num_hidden_layers: 3 }, random(1));
    expect(apart(network.parameters.get(name)!, deeper.parameters.get(name)!)).toBe(0);
  });
});
