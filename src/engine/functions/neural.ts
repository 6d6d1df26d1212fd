/**
 * The parts of a transformer: normalisation, rotary positions, attention.
 * Attention is written in matrix products and a softmax, so that taps can reach scores and patterns and every part
 * has its derivative; masks are additive constants of the graph.
 */
import type { Tensor } from '../graph.ts';
import { emit, emitOne } from '../operators/emit.ts';
import { mismatch } from '../operators/shapes.ts';
import { matmul } from './algebra.ts';
import { add, constant, div, mul, tanh } from './elementwise.ts';
import { reshape } from './movement.ts';
import { softmax } from './reductions.ts';

/**
 * (x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis.
 * Source: Ba, Kiros and Hinton 2016, "Layer Normalization".
 */
export const layerNorm = (x: Tensor, scale: Tensor, bias: Tensor, epsilon = 1e-5): Tensor =>
  emit('layerNorm', [x, scale, bias], { epsilon }).outputs[0]!;

/**
 * x / sqrt(mean(x^2) + epsilon) * scale over the last axis.
 * Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization".
 */
export const rmsNorm = (x: Tensor, scale: Tensor, epsilon = 1e-6): Tensor =>
  emit('rmsNorm', [x, scale], { epsilon }).outputs[0]!;

/**
 * Rotates pairs of the last axis: (x1, x2) to (x1 cos - x2 sin, x2 cos + x1 sin). Pairs are (i, i + width/2), as
 * Llama and NeoX keep them, or neighbours when interleaved.
 *
 * @param x [..., time, width]
 * @param cos [time, width/2], or with leading axes that broadcast
 * Source: Su et al. 2021, "RoFormer".
 */
export const rotary = (x: Tensor, cos: Tensor, sin: Tensor, options: { readonly interleaved?: boolean } = {}): Tensor =>
  emitOne('rotary', [x, cos, sin], { interleaved: options.interleaved ?? false });

/** What a masked score becomes: exp of it is 0 in float32 and float16, and sums with it stay finite. */
export const MASKED = -30_000;

/**
 * Additive mask [queries, keys]: 0 where a query may look, {@link MASKED} elsewhere. The last query sees the last
 * key; with a window each query sees itself and the window - 1 keys before it.
 */
export function causalMask(queries: number, keys: number, window?: number): Tensor {
  const data = new Float32Array(queries * keys);
  for (let q = 0; q < queries; q++) {
    const at = q + keys - queries;
    for (let k = 0; k < keys; k++) {
      const isSeen = k <= at && (window === undefined || at - k < window);
      if (!isSeen) data[q * keys + k] = MASKED;
    }
  }
  return constant(data, [queries, keys]);
}

export interface AttentionOptions {
  /** Each query sees itself and what came before it. */
  readonly causal?: boolean;
  /** With causal: only itself and the window - 1 keys before it. */
  readonly window?: number;
  /** Scores s become cap * tanh(s / cap) before the mask (Gemma 2). */
  readonly softCap?: number;
  /** Factor on the scores; 1 / sqrt(width) by default. */
  readonly scale?: number;
  /** Additive mask that broadcasts to [batch, heads, queries, keys]. */
  readonly mask?: Tensor;
}

/**
 * Scaled dot-product attention, grouped when there are fewer key heads than query heads.
 *
 * @param query [batch, heads, queries, width]
 * @param key [batch, keyHeads, keys, width]; heads is a multiple of keyHeads, and head h reads key head h / (heads / keyHeads)
 * @param value [batch, keyHeads, keys, valueWidth]
 * @returns output [batch, heads, queries, valueWidth], and the scores and pattern [batch, heads, queries, keys]
 * Source: Vaswani et al. 2017; Ainslie et al. 2023 for the grouping.
 */
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): { output: Tensor; scores: Tensor; pattern: Tensor } {
  const [batch, heads, queries, width] = query.shape as [number, number, number, number];
  const [, keyHeads, keys] = key.shape as [number, number, number, number];
  if (query.rank !== 4 || key.rank !== 4 || value.rank !== 4 || heads % keyHeads !== 0) {
    throw mismatch(
      'attention',
      [query, key, value],
      'query, key and value are [batch, heads, time, width], with heads a multiple of key heads',
    );
  }
  const group = heads / keyHeads;
  // Queries of one group lie behind one another, so that a group is one matrix product with its key head.
  const grouped = reshape(query, [batch, keyHeads, group * queries, width]);
  const products = matmul(grouped, key, { transposeB: true, scale: options.scale ?? 1 / Math.sqrt(width) });
  let scores = reshape(products, [batch, heads, queries, keys]);
  if (options.softCap !== undefined) scores = mul(tanh(div(scores, options.softCap)), options.softCap);
  if (options.causal === true) scores = add(scores, causalMask(queries, keys, options.window));
  if (options.mask !== undefined) scores = add(scores, options.mask);
  const pattern = softmax(scores, -1);
  const mixed = matmul(reshape(pattern, [batch, keyHeads, group * queries, keys]), value);
  return { output: reshape(mixed, [batch, heads, queries, value.shape[3]!]), scores, pattern };
}
