/**
 * Parts that the readers of several architectures share: names of projections and norms, activations, ropes, windows.
 * Sources as in architectures.ts; defaults are those of transformers 5, which older files rely on by leaving settings
 * out.
 */
import type { ConfigReader } from './config-reader.ts';
import type { Description, Norm, Projection } from './description.ts';
import { readRope, type Rope } from './rope.ts';

export type Reader = (config: ConfigReader) => Description;

export const linear = (name: string, hasBias = false): Projection =>
  hasBias ? { weight: `${name}.weight`, bias: `${name}.bias` } : { weight: `${name}.weight` };
export const scaleOnly = (name: string): Norm => ({ weight: `${name}.weight` });
export const scaleAndBias = (name: string): Norm => ({ weight: `${name}.weight`, bias: `${name}.bias` });

const ACTIVATIONS = {
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_python: 'gelu',
  gelu_accurate: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_python_tanh: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
} as const;

export function activation(
  config: ConfigReader,
  name: string,
  fallback?: keyof typeof ACTIVATIONS,
): Description['activation'] {
  return ACTIVATIONS[config.word(name, Object.keys(ACTIVATIONS) as (keyof typeof ACTIVATIONS)[], fallback)];
}

export const each = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

export function wholeHeads(config: ConfigReader, name: string, width: number, heads: number): number {
  if (width % heads !== 0) throw config.refuse(name, `the width ${width} does not divide by it`);
  return width / heads;
}

/** How an architecture names its rope outside `rope_parameters`, and which share of a head it rotates. */
export interface RopeFamily {
  /** Older names of `rope_theta`. */
  readonly baseNames?: readonly string[];
  /** Older names of `partial_rotary_factor`. */
  readonly shareNames?: readonly string[];
  /** Share when the file says none; absent where the whole head is always rotated. */
  readonly share?: number;
  /** See readRope. */
  readonly originalContext?: number;
  readonly isLongrope?: boolean;
}

/** One rope for all layers: inside `rope_parameters` in newer files, beside `rope_scaling` in older ones. */
export function oneRope(config: ConfigReader, headWidth: number, context: number, family: RopeFamily = {}): Rope {
  if (config.has('rope_parameters') && config.has('rope_scaling'))
    throw config.refuse(
      'rope_scaling',
      'rope_parameters is there as well',
      'Keep the one that the model was trained with.',
    );
  const scaling = config.object('rope_parameters') ?? config.object('rope_scaling');
  const base = agreed(config, scaling, ['rope_theta', ...(family.baseNames ?? [])]) ?? 10_000;
  const said = agreed(config, scaling, ['partial_rotary_factor', ...(family.shareNames ?? [])]);
  if (family.share === undefined && said !== undefined && said !== 1)
    throw config.refuse('partial_rotary_factor', 'this architecture rotates whole heads');
  return readRope(scaling, base, rotatedWidth(config, headWidth, said ?? family.share ?? 1), context, family);
}

/** A number that files write in several places, and that must be the same in each. The first name may be nested. */
function agreed(
  config: ConfigReader,
  nested: ConfigReader | undefined,
  names: readonly [string, ...string[]],
): number | undefined {
  let found = nested?.optionalNumber(names[0]);
  for (const name of names) {
    const value = config.optionalNumber(name);
    if (value !== undefined && found !== undefined && value !== found)
      throw config.refuse(name, `elsewhere in the file it is ${found}`);
    found ??= value;
  }
  return found;
}

/** Dimensions of a head that are rotated; an odd count takes one more, which has to exist. */
export function rotatedWidth(config: ConfigReader, headWidth: number, share: number): number {
  const width = Math.floor(headWidth * share);
  if (width < 1 || 2 * Math.ceil(width / 2) > headWidth) {
    throw config.refuse(
      share === 1 ? 'head_dim' : 'partial_rotary_factor',
      `${width} of a head's ${headWidth} dimensions cannot be rotated in pairs`,
    );
  }
  return width;
}

/** Windows by `layer_types` where the file has it, else by the architecture's own rule. */
export function layerWindows(
  config: ConfigReader,
  layers: number,
  window: number | undefined,
  isWindowed: (layer: number) => boolean,
): (number | undefined)[] {
  const types = config.list('layer_types', layers, ['full_attention', 'sliding_attention']);
  return each(layers, (layer) => {
    const slides = types === undefined ? isWindowed(layer) : types[layer] === 'sliding_attention';
    if (slides && window === undefined)
      throw config.refuse('layer_types', `layer ${layer} slides, and there is no sliding_window`);
    return slides ? window : undefined;
  });
}
