/**
 * Rotary frequencies with every scaling that the supported architectures use: default, linear, dynamic, yarn, llama3
 * and longrope.
 *
 * Sources: Su et al. 2021 (RoFormer); Peng et al. 2023 (YaRN); Ding et al. 2024 (LongRoPE); Meta's Llama 3.1 release
 * for llama3; parameter names and defaults as `modeling_rope_utils` of transformers has them.
 * Dynamic and longrope change with the length of the text: here with the length of each row, so that a text's result
 * does not depend on its neighbours in a batch (transformers takes the longest).
 */

import {
  add,
  cast,
  constant,
  cos as cosine,
  exp,
  expandDims,
  greater,
  log,
  max,
  maximum,
  mul,
  reshape,
  sin as sine,
  sub,
  type Tensor,
  where,
} from '../../engine/index.ts';
import type { ConfigReader } from './config-reader.ts';

interface Common {
  readonly base: number;
  /** Dimensions over which the angles fall. Where it is odd, one more is rotated, so that pairs are whole. */
  readonly width: number;
  /** Positions that it is made for. Linear scaling stretches `max_position_embeddings` by its factor. */
  readonly reach: number;
}

export type Rope = Common &
  (
    | { readonly kind: 'fixed'; readonly frequencies: readonly number[]; readonly attentionFactor: number }
    | { readonly kind: 'dynamic'; readonly factor: number; readonly originalContext: number }
    | {
        readonly kind: 'longrope';
        readonly short: readonly number[];
        readonly long: readonly number[];
        readonly originalContext: number;
        readonly attentionFactor: number;
      }
  );

/** Past this many positions keys that were cached under shorter texts would have other angles; undefined for never. */
export function cacheLimit(rope: Rope): number | undefined {
  return rope.kind === 'fixed' ? undefined : rope.originalContext;
}

/** 1 / base^(2i / width) for each rotated pair. */
const plainFrequencies = (base: number, width: number): number[] =>
  Array.from({ length: Math.ceil(width / 2) }, (_, i) => base ** ((-2 * i) / width));

/**
 * Dynamic scaling grows with the text and has no end of its own. This many times `max_position_embeddings` are let in
 * at least, so that a text that is long by mistake is still told.
 */
const DYNAMIC_REACH = 8;

const KINDS = ['default', 'linear', 'dynamic', 'yarn', 'llama3', 'longrope', 'su'] as const;
type Kind = Exclude<(typeof KINDS)[number], 'su'>;

/** The kind by its present name (`rope_type`) or its older one (`type`). Newer files may say both. */
function kindOf(scaling: ConfigReader, isLongrope: boolean): Kind {
  const canonical = (kind: (typeof KINDS)[number]): Kind =>
    kind === 'su' || (isLongrope && kind === 'yarn') ? 'longrope' : kind;
  const older = canonical(scaling.word('type', KINDS, 'default'));
  if (!scaling.has('rope_type')) return older;
  const kind = canonical(scaling.word('rope_type', KINDS));
  if (scaling.has('type') && older !== kind) throw scaling.refuse('type', `rope_type says ${kind}`);
  return kind;
}

/**
 * A rope as a file describes it. `scaling` is `rope_scaling` (older files) or `rope_parameters` (newer ones).
 * @param width dimensions of a head that are rotated; an odd one counts its last pair in full
 * @param context `max_position_embeddings`
 * @param family.originalContext what it was before it was extended, where it stands outside `scaling` (Phi-3)
 */
export function readRope(
  scaling: ConfigReader | undefined,
  base: number,
  width: number,
  context: number,
  family: { readonly originalContext?: number; readonly isLongrope?: boolean } = {},
): Rope {
  const plain = plainFrequencies(base, width);
  const fixed = (frequencies: readonly number[], attentionFactor = 1, reach = context): Rope => ({
    kind: 'fixed',
    base,
    width,
    reach,
    frequencies,
    attentionFactor,
  });
  if (scaling === undefined) return fixed(plain);
  const kind = kindOf(scaling, family.isLongrope ?? false);
  const rope = (): Rope => {
    switch (kind) {
      case 'default':
        return fixed(plain);
      case 'linear': {
        const factor = scaling.number('factor');
        const stretched = plain.map((frequency) => frequency / factor);
        return fixed(stretched, 1, Math.floor(context * factor));
      }
      case 'dynamic': {
        const factor = scaling.number('factor');
        const reach = Math.floor(context * Math.max(factor, DYNAMIC_REACH));
        return { kind: 'dynamic', base, width, reach, factor, originalContext: context };
      }
      case 'llama3':
        return fixed(llama3Frequencies(plain, scaling, context));
      case 'yarn':
        return yarn(base, width, plain, scaling, context, fixed);
      case 'longrope': {
        const original = family.originalContext ?? scaling.integer('original_max_position_embeddings', context);
        const factor = scaling.number('factor', context / original);
        const suggested = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        const stretch = (name: string): number[] => scaling.numbers(name, plain.length).map((by, i) => plain[i]! / by);
        return {
          kind: 'longrope',
          base,
          width,
          reach: context,
          short: stretch('short_factor'),
          long: stretch('long_factor'),
          originalContext: original,
          attentionFactor: scaling.number('attention_factor', suggested),
        };
      }
    }
  };
  const result = rope();
  // Dynamic scaling starts from max_position_embeddings: transformers does not read this one for it, nor for the others.
  scaling.raw('original_max_position_embeddings');
  scaling.finish();
  return result;
}

function llama3Frequencies(plain: readonly number[], scaling: ConfigReader, context: number): number[] {
  const factor = scaling.number('factor');
  const low = scaling.number('low_freq_factor');
  const high = scaling.number('high_freq_factor');
  const original = scaling.integer('original_max_position_embeddings', context);
  return plain.map((frequency) => {
    const turns = (original * frequency) / (2 * Math.PI); // full turns over the original context
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const smooth = (turns - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}

function yarn(
  base: number,
  width: number,
  plain: readonly number[],
  scaling: ConfigReader,
  context: number,
  fixed: (frequencies: readonly number[], attentionFactor: number, reach: number) => Rope,
): Rope {
  const original = scaling.integer('original_max_position_embeddings', context);
  const factor = scaling.number('factor', context / original);
  const betaFast = scaling.optionalNumber('beta_fast') || 32;
  const betaSlow = scaling.optionalNumber('beta_slow') || 1;
  const isTruncated = scaling.boolean('truncate', true);
  const mscale = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const [scaleBy, scaleAll] = [scaling.optionalNumber('mscale'), scaling.optionalNumber('mscale_all_dim')];
  const suggested =
    scaleBy !== undefined && scaleAll !== undefined && scaleBy !== 0 && scaleAll !== 0
      ? mscale(scaleBy) / mscale(scaleAll)
      : mscale(1);
  // The dimension whose wave turns this often over the original context.
  const dimension = (turns: number): number =>
    (width * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [first, last] = [dimension(betaFast), dimension(betaSlow)];
  const low = Math.max(isTruncated ? Math.floor(first) : first, 0);
  const high = Math.min(isTruncated ? Math.ceil(last) : last, width - 1);
  const span = low === high ? 0.001 : high - low;
  const frequencies = plain.map((frequency, i) => {
    const interpolated = Math.min(1, Math.max(0, (i - low) / span));
    return (frequency / factor) * interpolated + frequency * (1 - interpolated);
  });
  const reach = Math.max(context, Math.floor(original * factor));
  return fixed(frequencies, scaling.number('attention_factor', suggested), reach);
}

/**
 * Cosines and sines of every position, traced.
 * @param positions int32 [batch, time]; negative ones are padding and read as 0
 * @returns cos and sin [batch, 1, time, pairs]
 */
export function rotaryTables(rope: Rope, positions: Tensor): { cos: Tensor; sin: Tensor } {
  const at = expandDims(maximum(cast(positions, 'float32'), 0), 2); // [batch, time, 1]
  const half = Math.ceil(rope.width / 2);
  const table = (values: readonly number[]): Tensor => constant(Float32Array.from(values), [1, 1, half]);
  // Length of each row: one more than its largest position. [batch, 1, 1]
  const length = (): Tensor => add(max(at, { axes: [1, 2], keepDims: true }), 1);
  let frequencies: Tensor;
  let factor = 1;
  switch (rope.kind) {
    case 'fixed':
      frequencies = table(rope.frequencies);
      factor = rope.attentionFactor;
      break;
    case 'dynamic': {
      const { factor: by, originalContext: original, width, base } = rope;
      const stretched = sub(mul(maximum(length(), original), by / original), by - 1);
      const logBase = add(mul(log(stretched), width / (width - 2)), Math.log(base));
      frequencies = exp(mul(logBase, table(Array.from({ length: half }, (_, i) => (-2 * i) / width))));
      break;
    }
    case 'longrope':
      frequencies = where(greater(length(), rope.originalContext), table(rope.long), table(rope.short));
      factor = rope.attentionFactor;
      break;
  }
  const angles = mul(at, frequencies); // [batch, time, half]
  const shaped = (x: Tensor): Tensor =>
    reshape(factor === 1 ? x : mul(x, factor), [positions.shape[0]!, 1, positions.shape[1]!, half]);
  return { cos: shaped(cosine(angles)), sin: shaped(sine(angles)) };
}
