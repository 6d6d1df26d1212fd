/**
 * The forward pass of every supported architecture, traced: reads a {@link Description} and weights by the names that
 * they have in the checkpoint. Taps see and may replace what {@link Tap} lists; without one, fused operators are used.
 *
 * Texts of different lengths share a batch through `positions`: a token's place in its own text, negative for padding,
 * which no other token sees. So left and right padding are the same thing. Keys and values of earlier tokens may be
 * given as `past` and are read where they lie; new ones are returned for the caller to keep.
 */
import {
  add,
  and,
  broadcastTo,
  cast,
  concat,
  div,
  einsum,
  embedding,
  equal,
  expandDims,
  gelu,
  greaterOrEqual,
  iota,
  layerNorm,
  less,
  lessOrEqual,
  linear,
  MASKED,
  matmul,
  maximum,
  mean,
  mul,
  relu,
  reshape,
  rmsNorm,
  rotary,
  silu,
  softmax,
  split,
  sqrt,
  square,
  sub,
  sum,
  takeAlongAxis,
  tanh,
  type Tensor,
  transpose,
  where,
  fill,
} from '../engine/index.ts';
import { rotaryTables, type Rope } from './architecture/rope.ts';
import type { BlockNames, Description, Norm, Projection } from './architecture/description.ts';
import { noTap, type Tap } from './taps.ts';

/** A low-rank change of one weight: y += scale * B(A x). a [rank, in], b [out, rank], as PEFT keeps them. */
export interface LowRank {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scale: number | Tensor;
}

export interface ForwardInputs {
  /** int32 [batch, time] */
  readonly tokens: Tensor;
  /** int32 [batch, time]: place in the text, negative for padding. */
  readonly positions: Tensor;
  /** Earlier tokens: `lengths` int32 [batch]; keys and values a layer [batch, keyHeads, slots, headWidth]. */
  readonly past?: { readonly lengths: Tensor; readonly keys: readonly Tensor[]; readonly values: readonly Tensor[] };
  /**
   * Which text a token belongs to, int32 [batch, time], where several lie in one row: each sees its own text alone, and
   * `positions` begin anew with every text. Not together with `past`.
   */
  readonly texts?: Tensor;
  /**
   * Give logits only at these int32 indices, which saves the unembedding of the others: [batch, count] along time, or
   * [count] in the batch laid flat, row after row; then `logits` and `final` have no axis of the batch.
   */
  readonly logitsAt?: Tensor;
}

export interface ForwardOptions {
  readonly weights: (name: string) => Tensor;
  /** Low-rank changes of a weight, by its name. */
  readonly lowRank?: (name: string) => readonly LowRank[];
  /**
   * Another way to multiply by a projection's weight, without its bias, for example quantised; undefined for the
   * ordinary one. Not asked where `attn.result` is tapped: that reads the weight by heads.
   */
  readonly project?: (x: Tensor, weight: string) => Tensor | undefined;
  readonly tap?: Tap;
  /** Wraps each block, for example in checkpoint(). */
  readonly aroundBlock?: (run: (stream: Tensor) => Tensor) => (stream: Tensor) => Tensor;
  /** Stop before the unembedding: `logits` is then not computed. */
  readonly withoutLogits?: boolean;
}

export interface ForwardResult {
  /** [batch, time or count, vocabulary], or [count, vocabulary]; undefined with `withoutLogits`. */
  readonly logits: Tensor | undefined;
  /** The stream after the final norm [batch, time or count, width], or [count, width]. */
  readonly final: Tensor;
  /** New keys (rotated) and values a layer [batch, keyHeads, time, headWidth]. */
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
}

/** Runs the model inside a traced function. */
export function forward(description: Description, inputs: ForwardInputs, options: ForwardOptions): ForwardResult {
  const pass = new Pass(description, inputs, options);
  return pass.run();
}

class Pass {
  readonly #d: Description;
  readonly #inputs: ForwardInputs;
  readonly #options: ForwardOptions;
  readonly #tap: Tap;
  readonly #masks = new Map<number | undefined, Tensor>();
  readonly #tables = new Map<Rope, { cos: Tensor; sin: Tensor }>();
  readonly #keys: Tensor[] = [];
  readonly #values: Tensor[] = [];

  constructor(description: Description, inputs: ForwardInputs, options: ForwardOptions) {
    this.#d = description;
    this.#inputs = inputs;
    this.#options = options;
    this.#tap = options.tap ?? noTap;
  }

  run(): ForwardResult {
    const d = this.#d;
    const { tokens, positions, logitsAt } = this.#inputs;
    let stream = embedding(this.#weight(d.tokens), tokens); // [batch, time, width]
    if (d.embeddingScale !== 1) stream = mul(stream, d.embeddingScale);
    stream = this.#see('embed', stream);
    if ('learned' in d.positions) {
      const table = this.#weight(d.positions.learned);
      stream = add(stream, this.#see('pos_embed', embedding(table, maximum(positions, 0))));
    }
    // Tables and masks are shared by all blocks: made here, so that a recomputed block does not make them again.
    for (let layer = 0; layer < d.layers; layer++) {
      this.#mask(d.windows[layer]);
      this.#rotaryTables(layer);
    }
    const around = this.#options.aroundBlock ?? ((run) => run);
    for (let layer = 0; layer < d.layers; layer++) stream = around((x) => this.#block(layer, x))(stream);
    if (logitsAt?.rank === 1) stream = embedding(reshape(stream, [-1, d.width]), logitsAt);
    else if (logitsAt !== undefined) {
      const index = expandDims(logitsAt, 2); // [batch, count, 1]
      stream = takeAlongAxis(stream, repeatLast(index, d.width), 1);
    }
    const final = this.#norm('ln_final', d.finalNorm, stream);
    if (this.#options.withoutLogits === true)
      return { logits: undefined, final, keys: this.#keys, values: this.#values };
    let logits = this.#project(final, d.unembedding, 'out-in');
    if (d.finalSoftCap !== undefined) logits = mul(tanh(div(logits, d.finalSoftCap)), d.finalSoftCap);
    return { logits: this.#see('logits', logits), final, keys: this.#keys, values: this.#values };
  }

  #see(site: string, value: Tensor): Tensor {
    return this.#tap.wants(site) ? this.#tap.apply(site, value) : value;
  }

  /** A weight in float32; half-precision ones are cast where they are read. */
  #weight(name: string): Tensor {
    return cast(this.#options.weights(name), 'float32');
  }

  #project(x: Tensor, { weight, bias }: Projection, layout = this.#d.weightLayout): Tensor {
    const transposeWeight = layout === 'out-in';
    const added = bias === undefined ? undefined : this.#weight(bias);
    let y = this.#options.project?.(x, weight);
    if (y === undefined) y = linear(x, this.#weight(weight), added, { transposeWeight });
    else if (added !== undefined) y = add(y, added);
    for (const { a, b, scale } of this.#options.lowRank?.(weight) ?? []) {
      const low = linear(x, cast(a, 'float32'), undefined, { transposeWeight: true });
      y = add(y, mul(linear(low, cast(b, 'float32'), undefined, { transposeWeight: true }), scale));
    }
    return y;
  }

  #norm(site: string, names: Norm, x: Tensor): Tensor {
    const { kind, epsilon, plusOne } = this.#d.norm;
    const stored = this.#weight(names.weight);
    const weight = plusOne ? add(stored, 1) : stored;
    const bias = names.bias === undefined ? undefined : this.#weight(names.bias);
    if (!this.#tap.wants(`${site}.scale`) && !this.#tap.wants(`${site}.normalized`)) {
      return kind === 'rms' ? rmsNorm(x, weight, epsilon) : layerNorm(x, weight, bias!, epsilon);
    }
    const last = { axes: -1, keepDims: true };
    const centred = kind === 'rms' ? x : sub(x, mean(x, last));
    const scale = this.#see(`${site}.scale`, sqrt(add(mean(square(centred), last), epsilon)));
    const normalised = this.#see(`${site}.normalized`, div(centred, scale));
    const scaled = mul(normalised, weight);
    return bias === undefined ? scaled : add(scaled, bias);
  }

  #block(layer: number, input: Tensor): Tensor {
    const d = this.#d;
    const names = d.block(layer);
    const at = (site: string): string => `blocks.${layer}.${site}`;
    const stream = this.#see(at('resid_pre'), input);
    const forAttention = names.norm1 === undefined ? stream : this.#norm(at('ln1'), names.norm1, stream);
    let attended = this.#attention(layer, names, forAttention);
    if (names.attentionOutNorm !== undefined) attended = this.#norm(at('ln1_post'), names.attentionOutNorm, attended);
    attended = this.#see(at('attn_out'), attended);
    const middle = d.isParallel ? stream : this.#see(at('resid_mid'), add(stream, attended));
    const forMlp = names.norm2 === undefined ? middle : this.#norm(at('ln2'), names.norm2, middle);
    let computed = this.#mlp(layer, names, forMlp);
    if (names.mlpOutNorm !== undefined) computed = this.#norm(at('ln2_post'), names.mlpOutNorm, computed);
    computed = this.#see(at('mlp_out'), computed);
    const output = d.isParallel ? add(add(stream, attended), computed) : add(middle, computed);
    return this.#see(at('resid_post'), output);
  }

  #attention(layer: number, names: BlockNames, x: Tensor): Tensor {
    const { heads, keyHeads, headWidth, attentionSoftCap, attentionScale } = this.#d;
    const [batch, time] = x.shape as [number, number, number];
    const at = (site: string): string => `blocks.${layer}.attn.${site}`;
    let [query, key, value] = this.#queryKeyValue(names, x); // [batch, time, heads, headWidth]
    query = this.#see(at('q'), query);
    key = this.#see(at('k'), key);
    value = this.#see(at('v'), value);
    query = this.#headNorm(names.queryNorm, query);
    key = this.#headNorm(names.keyNorm, key);
    let q = this.#rotate(layer, at('rot_q'), query); // [batch, heads, time, headWidth]
    let k = this.#rotate(layer, at('rot_k'), key);
    let v = transpose(value, [0, 2, 1, 3]);
    this.#keys[layer] = k;
    this.#values[layer] = v;

    const group = heads / keyHeads;
    q = reshape(q, [batch, keyHeads, group * time, headWidth]);
    const scale = attentionScale[layer]!;
    const { past } = this.#inputs;
    // One new token: a product of one key is a dot product, which costs a batch of matrix products ten times less.
    const isStep = past !== undefined && time === 1;
    const own = isStep
      ? mul(sum(mul(q, k), { axes: 3, keepDims: true }), scale)
      : matmul(q, k, { transposeB: true, scale });
    let scores = own;
    if (past !== undefined) scores = concat([matmul(q, past.keys[layer]!, { transposeB: true, scale }), own], 3);
    const keys = scores.shape[3]!;
    scores = reshape(scores, [batch, heads, time, keys]);
    if (attentionSoftCap !== undefined) scores = mul(tanh(div(scores, attentionSoftCap)), attentionSoftCap);
    scores = this.#see(at('attn_scores'), add(scores, this.#mask(this.#d.windows[layer])));
    const pattern = this.#see(at('pattern'), softmax(scores, -1)); // [batch, heads, time, keys]
    const grouped = reshape(pattern, [batch, keyHeads, group * time, keys]);
    let mixed: Tensor;
    if (past === undefined) mixed = matmul(grouped, v);
    else {
      const [old, fresh] = split(grouped, [keys - time, time], 3);
      mixed = add(matmul(old!, past.values[layer]!), isStep ? mul(fresh!, v) : matmul(fresh!, v));
    }
    const z = this.#see(at('z'), transpose(reshape(mixed, [batch, heads, time, headWidth]), [0, 2, 1, 3]));
    if (!this.#tap.wants(at('result'))) return this.#project(reshape(z, [batch, time, heads * headWidth]), names.out);
    return this.#outputByHead(at('result'), names.out, z);
  }

  #queryKeyValue({ qkv }: BlockNames, x: Tensor): [Tensor, Tensor, Tensor] {
    const { heads, keyHeads, headWidth, fusedOrder } = this.#d;
    const [batch, time] = x.shape as [number, number, number];
    if (!('fused' in qkv)) {
      const part = (projection: Projection, count: number): Tensor =>
        reshape(this.#project(x, projection), [batch, time, count, headWidth]);
      return [part(qkv.q, heads), part(qkv.k, keyHeads), part(qkv.v, keyHeads)];
    }
    const all = this.#project(x, qkv.fused);
    if (fusedOrder === 'heads') {
      const parts = split(reshape(all, [batch, time, heads, 3 * headWidth]), 3, 3);
      return [parts[0]!, parts[1]!, parts[2]!];
    }
    const widths = [heads, keyHeads, keyHeads].map((count) => count * headWidth);
    const [q, k, v] = split(all, widths, 2).map((part) => reshape(part, [batch, time, -1, headWidth]));
    return [q!, k!, v!];
  }

  /** Norm of queries or keys: over each head's width, or over all heads together. [batch, time, heads, headWidth] */
  #headNorm(names: Norm | undefined, x: Tensor): Tensor {
    if (names === undefined) return x;
    const { epsilon, plusOne } = this.#d.norm;
    const stored = this.#weight(names.weight);
    const weight = plusOne ? add(stored, 1) : stored;
    if (this.#d.queryKeyNorm === 'head') return rmsNorm(x, weight, epsilon);
    const [batch, time, heads, width] = x.shape as [number, number, number, number];
    return reshape(rmsNorm(reshape(x, [batch, time, heads * width]), weight, epsilon), x.shape);
  }

  #rotaryTables(layer: number): { cos: Tensor; sin: Tensor } | undefined {
    const { positions } = this.#d;
    if (!('ropes' in positions)) return undefined;
    const rope = positions.ropes[layer]!;
    let tables = this.#tables.get(rope);
    if (tables === undefined) this.#tables.set(rope, (tables = rotaryTables(rope, this.#inputs.positions)));
    return tables;
  }

  /** [batch, time, heads, headWidth] to [batch, heads, time, headWidth], rotated where the architecture rotates. */
  #rotate(layer: number, site: string, x: Tensor): Tensor {
    const turned = transpose(x, [0, 2, 1, 3]);
    const tables = this.#rotaryTables(layer);
    if (tables === undefined) return turned;
    const width = 2 * tables.cos.shape[3]!;
    const whole = x.shape[3]!;
    let rotated: Tensor;
    if (width === whole) rotated = rotary(turned, tables.cos, tables.sin);
    else {
      const [head, rest] = split(turned, [width, whole - width], 3);
      rotated = concat([rotary(head!, tables.cos, tables.sin), rest!], 3);
    }
    if (!this.#tap.wants(site)) return rotated;
    return transpose(this.#tap.apply(site, transpose(rotated, [0, 2, 1, 3])), [0, 2, 1, 3]);
  }

  /** Whether query and key are of one text [batch, 1, time, time]; undefined where rows hold one text each. */
  #isSameText(): Tensor | undefined {
    const { texts } = this.#inputs;
    if (texts === undefined) return undefined;
    const [batch, time] = texts.shape as [number, number];
    return equal(reshape(texts, [batch, 1, time, 1]), reshape(texts, [batch, 1, 1, time]));
  }

  /** Additive [batch, 1, time, past + time]: 0 where a token may look, {@link MASKED} elsewhere. */
  #mask(window: number | undefined): Tensor {
    const known = this.#masks.get(window);
    if (known !== undefined) return known;
    const { positions, past } = this.#inputs;
    const [batch, time] = positions.shape as [number, number];
    const queryAt = reshape(positions, [batch, 1, time, 1]);
    const keyAt = reshape(positions, [batch, 1, 1, time]);
    const isNear = (at: Tensor): Tensor | undefined =>
      window === undefined ? undefined : less(sub(queryAt, at), window);
    const both = (a: Tensor, b: Tensor | undefined): Tensor => (b === undefined ? a : and(a, b));
    const additive = (isSeen: Tensor): Tensor => where(isSeen, fill([], 0), fill([], MASKED));
    const isEarlier = and(lessOrEqual(keyAt, queryAt), greaterOrEqual(keyAt, 0));
    const own = additive(both(both(isEarlier, this.#isSameText()), isNear(keyAt)));
    let mask = own;
    if (past !== undefined) {
      const slots = past.keys[0]!.shape[2]!;
      const slotAt = reshape(iota(slots, 'int32'), [1, 1, 1, slots]);
      const isFilled = less(slotAt, reshape(past.lengths, [batch, 1, 1, 1]));
      const old = both(isFilled, isNear(slotAt));
      mask = concat([broadcastTo(additive(old), [batch, 1, time, slots]), own], 3);
    }
    this.#masks.set(window, mask);
    return mask;
  }

  /** The output projection head by head, so that each head's part can be seen and replaced. */
  #outputByHead(site: string, out: Projection, z: Tensor): Tensor {
    const { heads, headWidth, width, weightLayout } = this.#d;
    const stored = this.#weight(out.weight);
    const weight = reshape(weightLayout === 'out-in' ? transpose(stored) : stored, [heads, headWidth, width]);
    let result = einsum('bthd,hdw->bthw', z, weight);
    for (const { a, b, scale } of this.#options.lowRank?.(out.weight) ?? []) {
      const down = reshape(transpose(cast(a, 'float32')), [heads, headWidth, a.shape[0]!]);
      const low = einsum('bthd,hdr->bthr', z, down);
      result = add(result, mul(linear(low, cast(b, 'float32'), undefined, { transposeWeight: true }), scale));
    }
    const joined = sum(this.#see(site, result), { axes: 2 });
    return out.bias === undefined ? joined : add(joined, this.#weight(out.bias));
  }

  #mlp(layer: number, { mlp }: BlockNames, x: Tensor): Tensor {
    const at = (site: string): string => `blocks.${layer}.mlp.${site}`;
    let gate: Tensor;
    let up: Tensor | undefined;
    if ('gateUp' in mlp) {
      const parts = split(this.#project(x, mlp.gateUp), 2, 2);
      [gate, up] = [parts[0]!, parts[1]!];
    } else if ('gate' in mlp) [gate, up] = [this.#project(x, mlp.gate), this.#project(x, mlp.up)];
    else gate = this.#project(x, mlp.up);
    const active = this.#activate(this.#see(at('pre'), gate));
    const post = up === undefined ? active : mul(active, this.#see(at('pre_linear'), up));
    return this.#project(this.#see(at('post'), post), mlp.down);
  }

  #activate(x: Tensor): Tensor {
    switch (this.#d.activation) {
      case 'gelu':
        return gelu(x);
      case 'gelu-tanh':
        return gelu(x, 'tanh');
      case 'silu':
        return silu(x);
      case 'relu':
        return relu(x);
    }
  }
}

/** [batch, count, 1] indices repeated along the last axis. */
const repeatLast = (index: Tensor, width: number): Tensor => broadcastTo(index, [...index.shape.slice(0, -1), width]);

/** One row of a table a token, with a position each: the inputs of an ordinary batch without padding. */
export function plainPositions(batch: number, time: number): Tensor {
  const row = reshape(iota(time, 'int32'), [1, time]);
  return broadcastTo(row, [batch, time]);
}
