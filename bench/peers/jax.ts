/**
 * jax-js with its WebAssembly backend as a peer of the engine: matrix product, small operators, and the GPT with AdamW,
 * each under jit. Reference counts are by hand there: passing an array gives it away, `.ref` keeps it.
 *
 * Attention is written out: nn.dotProductAttention goes through einsum, which needs iterator helpers, so Node 22.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import {
  adamwConstants,
  chainOther,
  chainStart,
  type LibraryPeer,
  type NamedValues,
  type ReadyStep,
  smallOperators,
  tokensOf,
  type TrainingTask,
} from './training.ts';

type Arrays = { [name: string]: np.Array };

/** The library, its backend ready. */
export async function openJax(): Promise<LibraryPeer> {
  await init('wasm');
  defaultDevice('wasm');
  const entry = createRequire(import.meta.url).resolve('@jax-js/jax');
  const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    name: 'jax-js',
    version,
    product(size) {
      const [a, b] = [np.full([size, size], 0.5), np.full([size, size], 0.5)];
      const product = jit((x: np.Array, y: np.Array) => np.matmul(x, y));
      return {
        run: async () => {
          const result = product(a.ref, b.ref);
          await blockUntilReady(result);
          result.dispose();
        },
        release: () => tree.dispose([a, b]),
      };
    },
    chain(count) {
      const [x, y] = [np.array(chainStart), np.array(chainOther)];
      const chain = jit((start: np.Array, other: np.Array) => {
        let h = start;
        for (let i = 0; i < count; i++) {
          switch (smallOperators[i % smallOperators.length]!) {
            case 'add':
              h = np.add(h, other.ref);
              break;
            case 'multiply':
              h = np.multiply(h, other.ref);
              break;
            case 'tanh':
              h = np.tanh(h);
              break;
            case 'maximum':
              h = np.maximum(h, other.ref);
              break;
          }
        }
        other.dispose();
        return h;
      });
      return {
        run: () => chain(x.ref, y.ref).data(),
        release: () => tree.dispose([x, y]),
      };
    },
    training,
  };
}

function training(task: TrainingTask, parameters: readonly NamedValues[]): ReadyStep {
  const { shape, batch, time } = task;
  const { width, heads, layers, vocabulary } = shape;
  const { rate, beta1, beta2, epsilon, weightDecay } = adamwConstants;
  const values: Arrays = {};
  const zeros = (): Arrays =>
    Object.fromEntries(parameters.map(({ name, shape: dims }) => [name, np.zeros([...dims])]));
  for (const { name, shape: dims, values: data } of parameters) {
    values[name] = np.array(data).reshape([...dims]);
  }
  const { tokens, targets } = tokensOf(task);
  const ids = np.array(tokens);
  const isTarget = nn.oneHot(np.array(targets), vocabulary);

  const norm = (p: Arrays, x: np.Array, name: string): np.Array => {
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const spread = np.sqrt(np.mean(np.square(centred.ref), -1, { keepdims: true }).add(1e-5));
    return centred.div(spread).mul(p[`${name}.scale`]!).add(p[`${name}.bias`]!);
  };
  const linear = (p: Arrays, x: np.Array, name: string): np.Array =>
    np.matmul(x, p[`${name}.weight`]!).add(p[`${name}.bias`]!);
  const block = (p: Arrays, x: np.Array, name: string): np.Array => {
    const parts = np.split(linear(p, norm(p, x.ref, `${name}.norm1`), `${name}.qkv`), 3, -1);
    const [query, key, value] = parts.map((part) =>
      np.transpose(part.reshape([batch, time, heads, width / heads]), [0, 2, 1, 3]),
    );
    const scores = np.matmul(query!, np.transpose(key!, [0, 1, 3, 2])).mul(1 / Math.sqrt(width / heads));
    const isSeen = np.tri(time, time, 0, { dtype: np.bool });
    const pattern = nn.softmax(np.where(isSeen, scores, -1e9), -1); // [batch, heads, time, time]
    const mixed = np.transpose(np.matmul(pattern, value!), [0, 2, 1, 3]).reshape([batch * time, width]);
    const attended = x.add(linear(p, mixed, `${name}.out`));
    const inner = nn.gelu(linear(p, norm(p, attended.ref, `${name}.norm2`), `${name}.up`));
    return attended.add(linear(p, inner, `${name}.down`));
  };
  const loss = (p: Arrays, at: np.Array, target: np.Array): np.Array => {
    const positions = np.tile(p['positions']!.slice([0, time]), [batch, 1]);
    let hidden = np.take(p['tokens']!.ref, at, 0).add(positions); // [batch * time, width]
    for (let i = 0; i < layers; i++) hidden = block(p, hidden, `blocks.${i}`);
    const logits = np.matmul(norm(p, hidden, 'norm'), np.transpose(p['tokens']!));
    return np.mean(np.sum(nn.logSoftmax(logits, -1).mul(target), -1)).mul(-1);
  };
  const update = jit((p: Arrays, m: Arrays, v: Arrays, scales: np.Array, at: np.Array, target: np.Array) => {
    const [value, gradient] = valueAndGrad(loss)(tree.ref(p), at, target) as unknown as [np.Array, Arrays];
    const next: { p: Arrays; m: Arrays; v: Arrays } = { p: {}, m: {}, v: {} };
    for (const name of Object.keys(p)) {
      const g = gradient[name]!;
      const first = m[name]!.mul(beta1).add(g.ref.mul(1 - beta1));
      const second = v[name]!.mul(beta2).add(np.square(g).mul(1 - beta2));
      const floor = np.sqrt(second.ref).mul(scales.ref.slice(1)).add(epsilon);
      const change = first.ref.div(floor).mul(scales.ref.slice(0));
      next.p[name] = p[name]!.mul(1 - rate * weightDecay).sub(change);
      next.m[name] = first;
      next.v[name] = second;
    }
    scales.dispose();
    return { value, ...next };
  });

  let state = { p: values, m: zeros(), v: zeros() };
  let count = 0;
  return {
    async step() {
      count++;
      const scales = np.array([rate / (1 - beta1 ** count), 1 / Math.sqrt(1 - beta2 ** count)]);
      const result = update(state.p, state.m, state.v, scales, ids.ref, isTarget.ref) as typeof state & {
        value: np.Array;
      };
      state = { p: result.p, m: result.m, v: result.v };
      await blockUntilReady(state);
      const [value] = await result.value.data();
      return value!;
    },
    release: () => {
      tree.dispose([state.p, state.m, state.v]);
      tree.dispose([ids, isTarget]);
      update.dispose();
    },
  };
}
