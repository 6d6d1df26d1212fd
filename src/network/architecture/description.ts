/**
 * What an architecture is here: plain data over shared parts. Ten published families differ in where the norms stand,
 * how queries, keys and values lie in the file, which activation and which positions; {@link forward} reads this.
 */
import type { Rope } from './rope.ts';

/** A weight in the checkpoint: its name, its bias if it has one, and whether it lies as [in, out] or [out, in]. */
export interface Projection {
  readonly weight: string;
  readonly bias?: string;
}

export interface Norm {
  readonly weight: string;
  /** Present for layer norms with a bias. */
  readonly bias?: string;
}

export interface BlockNames {
  /** Norm before attention, absent where the architecture has none there; and so on. */
  readonly norm1?: Norm;
  readonly norm2?: Norm;
  /** Norms of what attention and MLP give back, before it is added to the residual stream. */
  readonly attentionOutNorm?: Norm;
  readonly mlpOutNorm?: Norm;
  /** One projection for all three, or one each. */
  readonly qkv:
    | { readonly fused: Projection }
    | { readonly q: Projection; readonly k: Projection; readonly v: Projection };
  readonly out: Projection;
  readonly queryNorm?: Norm;
  readonly keyNorm?: Norm;
  /** `up` alone, or a gated pair, or a pair in one matrix (gate first). */
  readonly mlp:
    | { readonly up: Projection; readonly down: Projection }
    | { readonly gate: Projection; readonly up: Projection; readonly down: Projection }
    | { readonly gateUp: Projection; readonly down: Projection };
}

export interface Description {
  /** `model_type` of the configuration. */
  readonly architecture: string;
  readonly vocabulary: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headWidth: number;
  readonly innerWidth: number;
  /** Positions that the model was made for, with what its rope is stretched to. */
  readonly context: number;
  readonly norm: {
    readonly kind: 'layer' | 'rms';
    readonly epsilon: number;
    /** Scales are stored less 1 (Gemma). */ readonly plusOne: boolean;
  };
  readonly activation: 'gelu' | 'gelu-tanh' | 'silu' | 'relu';
  /** Attention and MLP read the same residual stream and are added together (NeoX). */
  readonly isParallel: boolean;
  readonly weightLayout: 'in-out' | 'out-in';
  /** How a fused projection's outputs are ordered: all queries, keys, values; or those of one head together (NeoX). */
  readonly fusedOrder: 'parts' | 'heads';
  readonly queryKeyNorm: 'none' | 'head' | 'width';
  /** Factor on attention scores by layer. */
  readonly attentionScale: readonly number[];
  readonly attentionSoftCap?: number;
  readonly finalSoftCap?: number;
  /** Sliding window by layer; undefined for full attention. */
  readonly windows: readonly (number | undefined)[];
  /** Learned positions, or a rope by layer (equal ones are one object). */
  readonly positions: { readonly learned: string } | { readonly ropes: readonly Rope[] };
  readonly embeddingScale: number;
  readonly tokens: string;
  readonly finalNorm: Norm;
  /** Unembedding [vocabulary, width]; the token table where tied. */
  readonly unembedding: Projection;
  readonly isTied: boolean;
  readonly block: (layer: number) => BlockNames;
  /** Tensors that older files carry and nothing reads: masks and frequencies. */
  readonly ignoredTensors: RegExp;
}
