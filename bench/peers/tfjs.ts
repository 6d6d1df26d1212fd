/**
 * TensorFlow.js with its WebAssembly backend as a peer of the engine: matrix product, small operators, and the GPT with
 * AdamW. In Node the backend runs its SIMD build on one thread: it asks for threads only in browsers.
 *
 * Two derivatives are given here, since the library's own would make the peer slower than it has to be: the backend
 * has no kernel for gather's (UnsortedSegmentSum), and it multiplies transposed matrices some thirty times as slowly as
 * plain ones, so matrices are transposed in an operation of their own.
 */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs';
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

/** The library, its backend ready. */
export async function openTfjs(): Promise<LibraryPeer> {
  await tf.setBackend('wasm');
  await tf.ready();
  return {
    name: 'tfjs',
    version: tf.version.tfjs,
    product: (size) => {
      const a = tf.fill([size, size], 0.5);
      return {
        run: () => tf.matMul(a, a).dispose(),
        release: () => a.dispose(),
      };
    },
    chain(count) {
      const x = tf.tensor1d(chainStart);
      const y = tf.tensor1d(chainOther);
      const operators = smallOperators.map((name) => {
        switch (name) {
          case 'add':
            return (h: tf.Tensor) => tf.add(h, y);
          case 'multiply':
            return (h: tf.Tensor) => tf.mul(h, y);
          case 'tanh':
            return (h: tf.Tensor) => tf.tanh(h);
          case 'maximum':
            return (h: tf.Tensor) => tf.maximum(h, y);
        }
      });
      return {
        run: () => {
          const result = tf.tidy(() => {
            let h: tf.Tensor = x;
            for (let i = 0; i < count; i++) h = operators[i % operators.length]!(h);
            return h;
          });
          const values = result.dataSync();
          result.dispose();
          return values;
        },
        release: () => tf.dispose([x, y]),
      };
    },
    training,
  };
}

/** x [rows, in] times w [in, out]. */
const product = tf.customGrad((x, w, save) => {
  const [left, right] = [x as tf.Tensor2D, w as tf.Tensor2D];
  (save as tf.GradSaveFunc)([left, right]);
  return {
    value: tf.matMul(left, right),
    gradFunc: (g: tf.Tensor, saved: tf.Tensor[]) => [
      tf.matMul(g, tf.transpose(saved[1]!)),
      tf.matMul(tf.transpose(saved[0]!), g),
    ],
  };
});

function training(task: TrainingTask, parameters: readonly NamedValues[]): ReadyStep {
  const { shape, batch, time } = task;
  const { width, heads, vocabulary } = shape;
  const weights = new Map<string, tf.Variable>();
  const first = new Map<string, tf.Variable>();
  const second = new Map<string, tf.Variable>();
  const nameOf = new Map<string, string>();
  for (const { name, shape: dims, values } of parameters) {
    const variable = tf.variable(tf.tensor(values, [...dims]));
    weights.set(name, variable);
    nameOf.set(variable.name, name);
    first.set(name, tf.variable(tf.zeros([...dims]), false));
    second.set(name, tf.variable(tf.zeros([...dims]), false));
  }
  const weight = (name: string): tf.Variable => weights.get(name)!;
  const { tokens, targets } = tokensOf(task);
  const ids = tf.tensor1d(tokens, 'int32');
  const isTarget = tf.tidy(() => tf.oneHot(tf.tensor1d(targets, 'int32'), vocabulary).toFloat());
  const mask = tf.tidy(() => {
    const at = tf.range(0, time);
    return tf.where(tf.lessEqual(at.reshape([1, time]), at.reshape([time, 1])), tf.scalar(0), tf.scalar(-1e9));
  });

  const embed = tf.customGrad((table, save) => {
    (save as tf.GradSaveFunc)([]);
    return {
      value: tf.gather(table as tf.Tensor, ids),
      gradFunc: (g: tf.Tensor) => tf.scatterND(ids.reshape([-1, 1]), g, [vocabulary, width]),
    };
  });
  const norm = (x: tf.Tensor, name: string): tf.Tensor => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5));
    return tf.add(tf.mul(tf.mul(centred, scale), weight(`${name}.scale`)), weight(`${name}.bias`));
  };
  const linear = (x: tf.Tensor, name: string): tf.Tensor =>
    tf.add(product(x, weight(`${name}.weight`) as tf.Tensor), weight(`${name}.bias`));
  const gelu = (x: tf.Tensor): tf.Tensor => {
    const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI));
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
  };
  const byHead = (x: tf.Tensor): tf.Tensor =>
    tf.transpose(tf.reshape(x, [batch, time, heads, width / heads]), [0, 2, 1, 3]);
  const block = (x: tf.Tensor, name: string): tf.Tensor => {
    const [query, key, value] = tf.split(linear(norm(x, `${name}.norm1`), `${name}.qkv`), 3, -1).map(byHead);
    const scores = tf.mul(tf.matMul(query!, key!, false, true), 1 / Math.sqrt(width / heads));
    const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), value!); // [batch, heads, time, width / heads]
    const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * time, width]);
    const attended = tf.add(x, linear(joined, `${name}.out`));
    return tf.add(attended, linear(gelu(linear(norm(attended, `${name}.norm2`), `${name}.up`)), `${name}.down`));
  };
  const loss = (): tf.Scalar => {
    const positions = tf.tile(tf.slice(weight('positions'), [0, 0], [time, width]), [batch, 1]);
    let hidden = tf.add(embed(weight('tokens') as tf.Tensor), positions); // [batch * time, width]
    for (let i = 0; i < shape.layers; i++) hidden = block(hidden, `blocks.${i}`);
    const logits = product(norm(hidden, 'norm'), tf.transpose(weight('tokens')));
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), isTarget), -1))) as tf.Scalar;
  };

  let count = 0;
  return {
    async step() {
      count++;
      const { rate, beta1, beta2, epsilon, weightDecay } = adamwConstants;
      const size = rate / (1 - beta1 ** count);
      const correction = Math.sqrt(1 - beta2 ** count);
      const value = tf.tidy(() => {
        const { value: result, grads } = tf.variableGrads(loss, [...weights.values()]);
        for (const [variable, gradient] of Object.entries(grads)) {
          const name = nameOf.get(variable)!;
          const [w, m, v] = [weight(name), first.get(name)!, second.get(name)!];
          m.assign(tf.add(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1)));
          v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
          const change = tf.mul(tf.div(m, tf.add(tf.div(tf.sqrt(v), correction), epsilon)), size);
          w.assign(tf.sub(tf.mul(w, 1 - rate * weightDecay), change));
        }
        return result;
      });
      const [own] = await value.data();
      value.dispose();
      return own!;
    },
    release: () => tf.dispose([...weights.values(), ...first.values(), ...second.values(), ids, isTarget, mask]),
  };
}
