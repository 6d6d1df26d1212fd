/**
 * Several texts in one row, without any of them seeing another: best fit over texts in their source's order, and the
 * arrays that the forward pass needs to keep them apart (a text's number, positions that begin anew).
 *
 * A text of n tokens takes n - 1 places: its last token predicts nothing. Texts that fit into no row of this batch are
 * held for the next, so every text is used exactly once a pass. Source: Krell et al. 2021, "Efficient Sequence Packing
 * without Cross-contamination"; the order is kept (first come, best fit), where they sort by length, so that an endless
 * source can be packed and the order of learning stays random.
 */
import { tensor, type Tensor } from '../../engine/index.ts';
import type { ForwardInputs } from '../../network/index.ts';
import { fittingText, type TextSource, type TrainingText } from './texts.ts';

/** Where packing stands: plain data, kept in checkpoints. */
export interface PackState {
  /** Index of the next text that was never drawn. */
  readonly next: number;
  /** Texts that were drawn and did not fit. */
  readonly held: readonly number[];
}

export const packingBegins: PackState = { next: 0, held: [] };

export interface PackOptions {
  readonly rows: number;
  /** Places in a row: predicted tokens. */
  readonly time: number;
  /** Index past the last text; endless unless told. */
  readonly end?: number;
  /** Cut texts that are longer than a row, instead of refusing them. */
  readonly mayCut?: boolean;
  readonly vocabulary: number;
}

export interface PlacedText {
  readonly text: TrainingText;
  readonly row: number;
  readonly offset: number;
}

/** Texts held back at most before a batch is closed: what bounds the search for one that fits. */
const MAX_HELD = 32;

/** The next batch, or undefined at the end of the source. */
export async function packBatch(
  source: TextSource,
  state: PackState,
  options: PackOptions,
): Promise<{ readonly placed: readonly PlacedText[]; readonly state: PackState } | undefined> {
  const { rows, time, end = Infinity, mayCut = false, vocabulary } = options;
  const filled = Array.from({ length: rows }, () => 0);
  const placed: PlacedText[] = [];
  const held: number[] = [];
  const place = async (index: number): Promise<void> => {
    const text = fittingText(await source.text(index), time, mayCut, vocabulary);
    const places = text.ids.length - 1;
    let row = -1;
    for (let r = 0; r < rows; r++) {
      if (filled[r]! + places <= time && (row < 0 || filled[r]! > filled[row]!)) row = r;
    }
    if (row < 0) {
      held.push(index);
      return;
    }
    placed.push({ text, row, offset: filled[row]! });
    filled[row]! += places;
  };
  for (const index of state.held) await place(index);
  let { next } = state;
  const isFull = (): boolean => filled.every((count) => count === time);
  while (next < end && held.length < MAX_HELD && !isFull()) await place(next++);
  return placed.length === 0 ? undefined : { placed, state: { next, held } };
}

/** A batch as arrays; what {@link lossInputs} and the loss read. */
export interface TokenBatch {
  /** int32 [rows, time], as {@link ForwardInputs} has them. */
  readonly tokens: Tensor;
  readonly positions: Tensor;
  readonly texts: Tensor;
  /** int32 [count]: where the loss is read, in the batch laid flat; undefined for everywhere. */
  readonly at: Tensor | undefined;
  /** int32 [count] and float32 [count]: what comes next there, and how much it counts; 0 where nothing does. */
  readonly targets: Tensor;
  readonly weights: Tensor;
}

export interface CountedBatch {
  readonly arrays: TokenBatch;
  /** Sum of the weights. */
  readonly weight: number;
  /** Places that hold a token. */
  readonly tokens: number;
  /** Places at which logits are computed. */
  readonly logits: number;
}

/** Above this share of places with a loss, logits are computed at all of them. */
const DENSE_SHARE = 0.75;
/** Places with a loss are rounded up to this share of a batch, so that few shapes are compiled. */
const COUNT_STEPS = 8;

/** Lays placed texts into arrays of a shape that depends on little else than rows and time. */
export function batchArrays(placed: readonly PlacedText[], rows: number, time: number): CountedBatch {
  const cells = rows * time;
  const tokens = new Int32Array(cells);
  const positions = new Int32Array(cells).fill(-1);
  const texts = new Int32Array(cells).fill(-1);
  const targets = new Int32Array(cells);
  const weights = new Float32Array(cells);
  let [used, counted, weight] = [0, 0, 0];
  placed.forEach(({ text, row, offset }, number) => {
    const start = row * time + offset;
    const places = text.ids.length - 1;
    for (let t = 0; t < places; t++) {
      tokens[start + t] = text.ids[t]!;
      positions[start + t] = t;
      texts[start + t] = number;
      targets[start + t] = text.ids[t + 1]!;
      weights[start + t] = text.weights?.[t + 1] ?? 1;
      if (weights[start + t] !== 0) counted++;
      weight += weights[start + t]!;
    }
    used += places;
  });
  const whole = (data: Int32Array): Tensor => tensor(data, { shape: [rows, time] });
  const inputs = { tokens: whole(tokens), positions: whole(positions), texts: whole(texts) };
  if (counted > DENSE_SHARE * cells) {
    const arrays = { ...inputs, at: undefined, targets: tensor(targets), weights: tensor(weights) };
    return { arrays, weight, tokens: used, logits: cells };
  }
  const step = Math.ceil(cells / COUNT_STEPS);
  const count = Math.min(cells, Math.max(step, Math.ceil(counted / step) * step));
  const at = new Int32Array(count);
  const [chosenTargets, chosenWeights] = [new Int32Array(count), new Float32Array(count)];
  let filled = 0;
  for (let cell = 0; cell < cells; cell++) {
    if (weights[cell] === 0) continue;
    at[filled] = cell;
    chosenTargets[filled] = targets[cell]!;
    chosenWeights[filled++] = weights[cell]!;
  }
  const chosen = { at: tensor(at), targets: tensor(chosenTargets), weights: tensor(chosenWeights) };
  return { arrays: { ...inputs, ...chosen }, weight, tokens: used, logits: count };
}

/** What the forward pass reads of a batch. */
export const forwardInputs = ({ tokens, positions, texts, at }: TokenBatch): ForwardInputs => ({
  tokens,
  positions,
  texts,
  ...(at === undefined ? {} : { logitsAt: at }),
});
