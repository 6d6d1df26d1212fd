/**
 * What a suffix search minimises: the loss of wanted replies behind prompts that end in the suffix, over one or several
 * prompts and models, with its gradient with respect to the one-hot suffix.
 *
 * Source: Zou et al. (2023), arXiv 2307.15043; the mellowmax loss and the cached prefix as in nanoGCG (whitebox-parity).
 * Everything before the suffix is computed once a prompt and read by all candidates; candidates are run a chunk at a
 * time, in a few shapes.
 */
import {
  add,
  all,
  argMax,
  cast,
  compile,
  type Compiled,
  crossEntropy,
  div,
  equal,
  expandDims,
  fromData,
  full,
  logSumExp,
  matmul,
  mul,
  neg,
  or,
  squeeze,
  sub,
  sum,
  takeAlongAxis,
  type Tensor,
  topK,
  valueAndGrad,
  where,
  fill,
  norm,
  MASKED,
  log,
  narrow,
  maximum,
} from '../../engine/index.ts';
import { forward, type Network } from '../../network/index.ts';
import type { Slot } from './slot.ts';

export const lossNames = ['cross-entropy', 'mellowmax'] as const;
export type LossName = (typeof lossNames)[number];

export interface Scored {
  /** Mean over the prompts (and models), in nats for cross-entropy. */
  readonly loss: number;
  /** Whether every wanted reply is what greedy decoding would give. */
  readonly isExact: boolean;
}

export interface SuffixObjective {
  /**
   * Gradient of each prompt's (and model's) loss with respect to the one-hot suffix.
   *
   * @returns float32 [suffix, vocabulary] a prompt
   */
  gradients(suffix: readonly number[], prompts: number): Promise<Tensor[]>;
  /**
   * For each place of the suffix the `k` allowed tokens that the gradient says to lower the loss most, best first.
   *
   * @param prompts how many of the prompts count, from the first
   */
  steepest(suffix: readonly number[], k: number, prompts: number): Promise<readonly (readonly number[])[]>;
  /** Losses of suffixes of one length. */
  losses(suffixes: readonly (readonly number[])[], prompts: number): Promise<Scored[]>;
}

export interface ObjectiveOptions {
  readonly loss?: LossName;
  /** Sharpness of the mellowmax. @default 1 */
  readonly sharpness?: number;
  /** Compute what stands before the suffix once. @default true */
  readonly prefixCache?: boolean;
  /** Tokens that a suffix may hold, by id. */
  readonly allowed: readonly boolean[];
}

/** One prompt before one model. */
interface Place {
  readonly network: Network;
  readonly slot: Slot;
}

interface Past {
  readonly lengths: Tensor;
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
}

interface Rows {
  /** int32 [rows, time], and each token's place in the whole text; negative behind its end. */
  readonly tokens: Tensor;
  readonly positions: Tensor;
  /** int32 [rows, count]: where the logits of the wanted tokens are, and these tokens. */
  readonly at: Tensor;
  readonly targets: Tensor;
  /** float32 [count]: 1 for a wanted token, 0 for padding. */
  readonly weights: Tensor;
  readonly past: Past | undefined;
}

/**
 * The objective of these prompts, before each of these models, whose tokens must be the same.
 *
 * @param slots for each model its slots, in one order
 * @example
 * const objective = networkObjective([network], [[slot]], { allowed });
 * const [scored] = await objective.losses([slot.initial], 1);
 */
export function networkObjective(
  networks: readonly Network[],
  slots: readonly (readonly Slot[])[],
  { loss = 'cross-entropy', sharpness = 1, prefixCache = true, allowed }: ObjectiveOptions,
): SuffixObjective {
  const programs = networks.map((network) => programsOf(network, loss, sharpness));
  const pasts = new Map<Slot, Promise<Past | undefined>>();
  const mask = fromData(
    Float32Array.from(allowed, (is) => (is ? 0 : MASKED)),
    [allowed.length],
    'float32',
  );
  const pick = compile(
    (gradients: readonly Tensor[], barred: Tensor, count: string) => {
      // Each prompt's gradient counts alike, as in the paper's code: divided by its own norm.
      const parts = gradients.length === 1 ? [gradients[0]!] : gradients.map((each) => div(each, norm(each)));
      return topK(add(neg(parts.reduce((a, b) => add(a, b))), barred), Number(count)).indices; // [suffix, k]
    },
    { label: 'suffix.pick' },
  );
  const placesOf = (prompts: number): { place: Place; model: number }[] =>
    networks.flatMap((network, model) =>
      slots[model]!.slice(0, prompts).map((slot) => ({ place: { network, slot }, model })),
    );
  const pastOf = (place: Place, model: number): Promise<Past | undefined> => {
    const { slot } = place;
    let past = pasts.get(slot);
    if (past === undefined)
      pasts.set(slot, (past = prefixCache ? programs[model]!.prefill(slot) : Promise.resolve(undefined)));
    return past;
  };

  const gradientsOf = async (suffix: readonly number[], prompts: number): Promise<Tensor[]> => {
    const found: Tensor[] = [];
    for (const { place, model } of placesOf(prompts)) {
      const rows = rowsOf(place.slot, [suffix], await pastOf(place, model));
      found.push(await programs[model]!.gradient(rows, place.slot, suffix.length));
    }
    return found;
  };

  return {
    gradients: gradientsOf,

    async steepest(suffix, k, prompts) {
      const gradients = await gradientsOf(suffix, prompts);
      const count = Math.min(k, allowed.filter(Boolean).length);
      const indices = await pick(gradients, mask, String(count));
      return Array.from({ length: suffix.length }, (_, i) =>
        Array.from({ length: count }, (_, j) => Number(indices.data[i * count + j]!)),
      );
    },

    async losses(suffixes, prompts) {
      const total = new Float64Array(suffixes.length);
      const exact: boolean[] = suffixes.map(() => true);
      const places = placesOf(prompts);
      for (const { place, model } of places) {
        const past = await pastOf(place, model);
        const size = chunkRows(place.slot, suffixes[0]!.length, suffixes.length, past !== undefined);
        for (let from = 0; from < suffixes.length; from += size) {
          const part = suffixes.slice(from, from + size);
          // The last chunk is filled up, so that it has the shape of the others.
          const filled = Array.from({ length: size }, (_, i) => part[Math.min(i, part.length - 1)]!);
          const scored = await programs[model]!.score(rowsOf(place.slot, filled, past));
          for (let i = 0; i < part.length; i++) {
            total[from + i]! += Number(scored.loss.data[i]!) / places.length;
            if (Number(scored.isExact.data[i]!) === 0) exact[from + i] = false;
          }
        }
      }
      return suffixes.map((_, i) => ({ loss: total[i]!, isExact: exact[i]! }));
    },
  };
}

// ---------------------------------------------------------------------------------------------------------- programs

interface Programs {
  prefill(slot: Slot): Promise<Past | undefined>;
  score(rows: Rows): Promise<{ loss: Tensor; isExact: Tensor }>;
  /** Gradient of the loss with respect to the one-hot suffix [suffix, vocabulary]. */
  gradient(rows: Rows, slot: Slot, length: number): Promise<Tensor>;
}

function programsOf(network: Network, loss: LossName, sharpness: number): Programs {
  const { description } = network;
  const options = network.forwardOptions();
  const lossOf = (logits: Tensor, rows: Rows): Tensor =>
    loss === 'cross-entropy'
      ? meanCrossEntropy(logits, rows.targets, rows.weights)
      : mellowmax(logits, rows.targets, rows.weights, sharpness);
  const label = (word: string): { label: string; prepack: boolean } => ({
    label: `suffix.${word}`,
    prepack: network.prepack,
  });

  const prefill = compile((tokens: Tensor, positions: Tensor) => {
    const { keys, values } = forward(description, { tokens, positions }, { ...options, withoutLogits: true });
    return { keys, values };
  }, label('prefix'));

  const score = compile((rows: Rows) => {
    const { logits } = forward(description, inputsOf(rows), options);
    const isHit = equal(cast(argMax(logits!, -1), 'int32'), rows.targets); // [rows, count]
    const isExact = all(or(isHit, equal(expandDims(rows.weights, 0), 0)), { axes: 1 });
    return { loss: lossOf(logits!, rows), isExact: cast(isExact, 'float32') };
  }, label('score'));

  const gradient: Compiled<
    readonly [Rows, Tensor, Tensor, { readonly from: string; readonly length: string }],
    Tensor
  > = compile((rows, delta, table, { from, length }) => {
    // A change of the embedded tokens, 0 here: its gradient is that of the embeddings themselves.
    const lossAt = (change: Tensor): Tensor => {
      const tap = {
        wants: (site: string) => site === 'embed',
        apply: (_: string, value: Tensor) => add(value, change),
      };
      const { logits } = forward(description, inputsOf(rows), { ...options, tap });
      return sum(lossOf(logits!, rows));
    };
    const embedded = squeeze(valueAndGrad(lossAt)(delta).gradient, 0); // [time, width]
    const own = narrow(embedded, 0, Number(from), Number(from) + Number(length)); // [suffix, width]
    return mul(matmul(own, cast(table, 'float32'), { transposeB: true }), description.embeddingScale);
  }, label('gradient'));

  return {
    async prefill({ before }) {
      if (before.length === 0) return undefined;
      const tokens = fromData(Int32Array.from(before), [1, before.length], 'int32');
      const positions = fromData(Int32Array.from(before.keys()), [1, before.length], 'int32');
      const { keys, values } = await prefill(tokens, positions);
      return { lengths: fromData(Int32Array.of(before.length), [1], 'int32'), keys, values };
    },
    score: (rows) => score(rows),
    async gradient(rows, slot, length) {
      const [, time] = rows.tokens.shape as [number, number];
      const table = network.parameters.get(description.tokens)!;
      const from = rows.past === undefined ? slot.before.length : 0;
      const delta = full([1, time, description.width], 0, 'float32');
      return await gradient(rows, delta, table, { from: String(from), length: String(length) });
    },
  };
}

function inputsOf({ tokens, positions, at, past }: Rows): Parameters<typeof forward>[1] {
  const inputs = { tokens, positions, logitsAt: at };
  if (past === undefined) return inputs;
  const [rows] = tokens.shape as [number];
  // One prefix for all rows: keys and values are broadcast by the products that read them.
  return { ...inputs, past: { ...past, lengths: add(fill([rows], 0, 'int32'), past.lengths) } };
}

/**
 * Mean cross-entropy in nats of each row's wanted tokens.
 *
 * @param logits [rows, count, vocabulary]
 * @param weights [count], 1 for what counts
 * @returns [rows]
 */
export function meanCrossEntropy(logits: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const { loss } = crossEntropy(logits, targets);
  return div(sum(mul(loss, weights), { axes: 1 }), sum(weights));
}

/**
 * The mellowmax of the negated logits of wanted tokens, a smooth maximum: (1/a) (logsumexp(-a l) - log T).
 * Source: Asadi and Littman (2017); as a loss for suffixes nanoGCG, which takes raw logits.
 *
 * @returns [rows]
 */
export function mellowmax(logits: Tensor, targets: Tensor, weights: Tensor, sharpness: number): Tensor {
  const own = squeeze(takeAlongAxis(logits, expandDims(targets, 2), 2), 2); // [rows, count]
  const barred = where(equal(weights, 0), fill([], MASKED), fill([], 0));
  const whole = logSumExp(add(mul(own, -sharpness), barred), { axes: 1 });
  return div(sub(whole, log(maximum(sum(weights), 1))), sharpness);
}

// --------------------------------------------------------------------------------------------------------------- rows

/** Suffixes as rows of one shape: lengths are rounded up, so that prompts share sessions. */
function rowsOf(slot: Slot, suffixes: readonly (readonly number[])[], past: Past | undefined): Rows {
  const before = past === undefined ? slot.before : [];
  const length = suffixes[0]!.length;
  const own = before.length + length + slot.after.length + slot.target.length;
  // The last wanted token is read by nothing.
  const time = roundUp(own - 1, 8);
  const count = roundUp(slot.target.length, 4);
  const rows = suffixes.length;
  const tokens = new Int32Array(rows * time);
  const positions = new Int32Array(rows * time).fill(-1);
  const at = new Int32Array(rows * count);
  const targets = new Int32Array(rows * count);
  const offset = past === undefined ? 0 : slot.before.length;
  suffixes.forEach((suffix, row) => {
    const text = [...before, ...suffix, ...slot.after, ...slot.target].slice(0, own - 1);
    text.forEach((id, i) => {
      tokens[row * time + i] = id;
      positions[row * time + i] = offset + i;
    });
    slot.target.forEach((id, i) => {
      at[row * count + i] = own - 1 - slot.target.length + i;
      targets[row * count + i] = id;
    });
  });
  const weights = Float32Array.from({ length: count }, (_, i) => (i < slot.target.length ? 1 : 0));
  return {
    tokens: fromData(tokens, [rows, time], 'int32'),
    positions: fromData(positions, [rows, time], 'int32'),
    at: fromData(at, [rows, count], 'int32'),
    targets: fromData(targets, [rows, count], 'int32'),
    weights: fromData(weights, [count], 'float32'),
    past,
  };
}

/** Rows of one run: enough for full products, few enough for the caches. */
function chunkRows(slot: Slot, length: number, wanted: number, isCached: boolean): number {
  const time = (isCached ? 0 : slot.before.length) + length + slot.after.length + slot.target.length;
  const most = 2 ** Math.floor(Math.log2(Math.max(1, tokensOfChunk / time)));
  const least = 2 ** Math.ceil(Math.log2(wanted));
  return Math.min(most, least);
}

const tokensOfChunk = 4096;

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
