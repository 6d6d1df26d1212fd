/**
 * A GPT in one page over the engine's functions: what the demonstration trains and the engine's bench times.
 * Source: Radford et al. 2019 (GPT-2): pre-norm blocks, learned positions, tanh GELU, tied unembedding.
 */
import { random } from '../src/core/random.ts';
import {
  add,
  attention,
  crossEntropy,
  embedding,
  full,
  gelu,
  layerNorm,
  linear,
  mean,
  narrow,
  reshape,
  split,
  type Tensor,
  tensor,
  transpose,
} from '../src/engine/index.ts';

export interface TransformerShape {
  readonly vocabulary: number;
  readonly context: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
}

export type Parameters = { [name: string]: Tensor | Parameters | Parameters[] };

/** Normal weights of standard deviation 0.02, output projections shrunk by the depth; zero biases, unit scales. */
export function initialise(shape: TransformerShape, seed: number | string): Parameters {
  const stream = random(seed);
  const normal = (name: string, dims: number[], deviation = 0.02): Tensor => {
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
    stream.split(name).fillNormal(data);
    for (let i = 0; i < data.length; i++) data[i] = data[i]! * deviation;
    return tensor(data, { shape: dims });
  };
  const { vocabulary, context, width, layers } = shape;
  const norm = (): Parameters => ({ scale: full([width], 1), bias: full([width], 0) });
  const out = 0.02 / Math.sqrt(2 * layers);
  return {
    tokens: normal('tokens', [vocabulary, width]),
    positions: normal('positions', [context, width]),
    blocks: Array.from({ length: layers }, (_, i) => ({
      norm1: norm(),
      qkv: { weight: normal(`${i}.qkv`, [width, 3 * width]), bias: full([3 * width], 0) },
      out: { weight: normal(`${i}.out`, [width, width], out), bias: full([width], 0) },
      norm2: norm(),
      up: { weight: normal(`${i}.up`, [width, 4 * width]), bias: full([4 * width], 0) },
      down: { weight: normal(`${i}.down`, [4 * width, width], out), bias: full([width], 0) },
    })),
    norm: norm(),
  };
}

type Layer = { weight: Tensor; bias: Tensor };
type Norm = { scale: Tensor; bias: Tensor };
type Block = { norm1: Norm; qkv: Layer; out: Layer; norm2: Norm; up: Layer; down: Layer };

/** One block: hidden [batch, time, width] to the same. */
export function block(parameters: Parameters, shape: TransformerShape, hidden: Tensor): Tensor {
  const { norm1, qkv, out, norm2, up, down } = parameters as unknown as Block;
  const [batch, time, width] = hidden.shape as [number, number, number];
  const { heads } = shape;
  const normed = layerNorm(hidden, norm1.scale, norm1.bias);
  const parts = split(linear(normed, qkv.weight, qkv.bias), 3, 2);
  const [query, key, value] = parts.map((part) =>
    transpose(reshape(part, [batch, time, heads, width / heads]), [0, 2, 1, 3]),
  );
  const { output } = attention(query!, key!, value!, { causal: true }); // [batch, heads, time, width / heads]
  const joined = reshape(transpose(output, [0, 2, 1, 3]), [batch, time, width]);
  const attended = add(hidden, linear(joined, out.weight, out.bias));
  const inner = gelu(linear(layerNorm(attended, norm2.scale, norm2.bias), up.weight, up.bias), 'tanh');
  return add(attended, linear(inner, down.weight, down.bias));
}

/** Logits [batch, time, vocabulary] of int32 tokens [batch, time]. `around` may wrap each block (checkpointing). */
export function logits(
  parameters: Parameters,
  shape: TransformerShape,
  tokens: Tensor,
  around: (run: (hidden: Tensor) => Tensor) => (hidden: Tensor) => Tensor = (run) => run,
): Tensor {
  const time = tokens.shape[1]!;
  const table = parameters['tokens'] as Tensor;
  let hidden = add(embedding(table, tokens), narrow(parameters['positions'] as Tensor, 0, 0, time));
  for (const layer of parameters['blocks'] as Parameters[]) hidden = around((h) => block(layer, shape, h))(hidden);
  const { scale, bias } = parameters['norm'] as unknown as Norm;
  return linear(layerNorm(hidden, scale, bias), table, undefined, { transposeWeight: true });
}

/** Mean cross-entropy in nats of the next tokens. */
export function nextTokenLoss(
  parameters: Parameters,
  shape: TransformerShape,
  tokens: Tensor,
  targets: Tensor,
): Tensor {
  return mean(crossEntropy(logits(parameters, shape, tokens), targets).loss);
}

/** Floating-point operations of the matrix products of one training step: forward, and twice that backward. */
export function stepFlops(shape: TransformerShape, batch: number, time: number): number {
  const { vocabulary, width, layers } = shape;
  const perToken = 2 * (layers * 12 * width * width + vocabulary * width) + layers * 4 * time * width;
  return 3 * perToken * batch * time;
}
