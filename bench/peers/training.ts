/**
 * The training step that every peer of the engine's bench repeats: the GPT of examples/transformer.ts with AdamW, from
 * the same weights on the same tokens, and what a peer must offer to take part. Peers: tfjs.ts, jax.ts, torch_gpt.py.
 */
import { namedLeaves } from '../../src/engine/index.ts';
import type { Parameters, TransformerShape } from '../../examples/transformer.ts';

/** One shape of the bench. */
export interface TrainingTask {
  readonly name: string;
  readonly shape: TransformerShape;
  readonly batch: number;
  readonly time: number;
}

export const tasks = {
  tiny: task('0.1 M', { vocabulary: 256, context: 64, width: 64, layers: 2, heads: 4 }, 8, 64),
  small: task('3.4 M', { vocabulary: 1024, context: 128, width: 256, layers: 4, heads: 4 }, 8, 128),
  large: task('124 M', { vocabulary: 50257, context: 1024, width: 768, layers: 12, heads: 12 }, 1, 128),
  /** Twelve layers: for the time to trace and to make a session. */
  deep: task('12 layers', { vocabulary: 1024, context: 128, width: 256, layers: 12, heads: 4 }, 8, 128),
  /** Twelve layers on so many tokens that activations, not parameters, fill the memory. */
  wide: task('12 layers, 16 x 256', { vocabulary: 1024, context: 256, width: 256, layers: 12, heads: 4 }, 16, 256),
} as const;

export type TaskName = keyof typeof tasks;

function task(name: string, shape: TransformerShape, batch: number, time: number): TrainingTask {
  return { name, shape, batch, time };
}

/** AdamW's constants, those of PyTorch's defaults. */
export const adamwConstants = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** Tokens [batch, time] and those that follow them: a fixed sequence that any peer could make. */
export function tokensOf({ shape, batch, time }: TrainingTask): { tokens: Int32Array; targets: Int32Array } {
  const at = (i: number): number => (i * 7919 + (i >> 3) * 31) % shape.vocabulary;
  return {
    tokens: Int32Array.from({ length: batch * time }, (_, i) => at(i)),
    targets: Int32Array.from({ length: batch * time }, (_, i) => at(i + 1)),
  };
}

/** A parameter as peers take it: its name in the tree, for example `blocks.0.qkv.weight`. */
export interface NamedValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Copies of all parameters: a step of ours overwrites its own. */
export function valuesOf(parameters: Parameters): NamedValues[] {
  return namedLeaves(parameters).map(({ name, tensor }) => ({
    name,
    shape: tensor.shape,
    values: Float32Array.from(tensor.data as Float32Array),
  }));
}

/** Work that a peer has ready. `run` waits until the result is computed, not merely queued. */
export interface Ready {
  run(): unknown;
  release(): void;
}

/** A step that returns its loss, of the weights before the update. */
export interface ReadyStep {
  step(): Promise<number>;
  release(): void;
}

/** A library in this process. */
export interface LibraryPeer {
  readonly name: string;
  readonly version: string;
  /** Product of two matrices of this size. */
  product(size: number): Ready;
  /** A chain of `count` element-wise operators on 64 numbers, see {@link smallOperators}. */
  chain(count: number): Ready;
  training(task: TrainingTask, parameters: readonly NamedValues[]): ReadyStep;
}

/** The operators of the chain, in turn: none can be folded into a constant, and values stay near 1. */
export const smallOperators = ['add', 'multiply', 'tanh', 'maximum'] as const;

/** Start values of the chain. */
export const chainStart = Float32Array.from({ length: 64 }, (_, i) => 0.5 + i / 100);
export const chainOther = Float32Array.from({ length: 64 }, (_, i) => 0.9 - i / 200);
