/**
 * Training on pairs of replies (card O-C2), in steps of so many pairs: the policy's log-probability of each reply, its
 * margin over a reference whose log-probabilities are given, and the loss of preferences.ts.
 *
 * Every text of a batch has a row of its own, so that its sum is its own; rows are as long as the longest pair needs.
 * The reference's log-probabilities are numbers, taken once: no second network is held.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { Json } from '../../core/values.ts';
import {
  crossEntropy,
  div,
  fill,
  mul,
  narrow,
  neg,
  reshape,
  scatterAddRows,
  sub,
  sum,
  tensor,
  type Tensor,
  type Tree,
  warmupSchedule,
} from '../../engine/index.ts';
import { forward, type Network } from '../../network/index.ts';
import { type DescentState, openDescent } from './descent.ts';
import { batchArrays, forwardInputs, type TokenBatch } from './packing.ts';
import { checkPreferenceSettings, preferenceLoss, type PreferenceSettings } from './preferences.ts';
import type { Trained } from './supervised.ts';
import { fittingText, shuffledSource, type TrainingText } from './texts.ts';
import { allParameters, type LoraSettings, lowRankChange } from './trainable.ts';
import { treeFromBytes, treeToBytes } from './tree-bytes.ts';

/** Two replies to one prompt as tokens, weights 1 on the reply and 0 on the prompt. */
export interface PreferencePair {
  readonly chosen: TrainingText;
  readonly rejected: TrainingText;
  /** Log-probability in nats of each reply, summed over its tokens, under the reference. */
  readonly reference: { readonly chosen: number; readonly rejected: number };
}

export interface PreferenceTrainingSettings extends PreferenceSettings {
  readonly random: Random;
  readonly steps?: number;
  /** @default 1 */
  readonly epochs?: number;
  /** Pairs a micro-batch. @default 16 */
  readonly pairs?: number;
  /** Micro-batches a step. @default 1 */
  readonly accumulate?: number;
  /** @default 1e-6 for all weights, as in the paper; 5e-5 for a low-rank change */
  readonly learningRate?: number;
  /** Share of the steps in which the rate rises. @default 0.1 */
  readonly warmup?: number;
  readonly clip?: number;
  readonly lora?: LoraSettings;
}

export interface PreferenceState {
  descent: DescentState;
  step: number;
}

/** What a step saw, before it moved. Log-probabilities are means over replies of sums over tokens. */
export interface PreferenceReport {
  readonly step: number;
  readonly loss: number;
  /** Share of pairs whose chosen reply gained more than the rejected one. */
  readonly accuracy: number;
  /** Mean of h, in nats. */
  readonly margin: number;
  readonly gradientNorm: number;
}

export interface PreferenceTraining {
  readonly steps: number;
  begin(): Promise<PreferenceState>;
  step(state: PreferenceState): Promise<PreferenceReport>;
  save(state: PreferenceState): Uint8Array;
  load(bytes: Uint8Array): Promise<PreferenceState>;
  finish(state: PreferenceState): Pick<Trained, 'network' | 'adapter'>;
}

interface PairBatch {
  readonly arrays: TokenBatch;
  /** int32 [count]: the text, chosen and rejected in turn, that a place with logits belongs to. */
  readonly owner: Tensor;
  /** Learned tokens of each text [2 pairs]. */
  readonly lengths: Tensor;
  /** The reference's margin of each pair, and 1 over the pairs of the step; 0 for a pair that fills up [pairs]. */
  readonly reference: Tensor;
  readonly share: Tensor;
}

/**
 * @throws FiducialError `train.empty`, `train.preference`, `train.too-long`; `train.equal-replies` where a pair's replies
 *   are one text
 */
export async function openPreferences(
  network: Network,
  pairs: readonly PreferencePair[],
  settings: PreferenceTrainingSettings,
): Promise<PreferenceTraining> {
  checkPreferenceSettings(settings);
  const { description } = network;
  const { accumulate = 1, warmup = 0.1, epochs = 1, lora } = settings;
  const learningRate = settings.learningRate ?? (lora === undefined ? 1e-6 : 5e-5);
  const count = Math.min(pairs.length, settings.pairs ?? 16);
  const isPerToken = settings.loss === 'ipo-per-token';
  const time = rowsFor(pairs, description);
  const order = shuffledSource(
    pairs.map((_, index) => ({ ids: [index] })),
    settings.random.split('order'),
  );
  const perStep = count * accumulate;
  const steps = settings.steps ?? Math.max(1, Math.ceil((epochs * pairs.length) / perStep));
  const rate = warmupSchedule({
    peak: learningRate,
    steps,
    warmupSteps: Math.min(steps, Math.ceil(warmup * steps)),
    final: learningRate / 10,
  });
  const trainable =
    lora === undefined ? allParameters(network) : await lowRankChange(network, lora, settings.random.split('lora'));

  const descent = openDescent(
    (parameters: Tree, { arrays, owner, lengths, reference, share }: PairBatch) => {
      const { logits } = forward(description, forwardInputs(arrays), trainable.options(parameters));
      const flat = reshape(logits!, [-1, description.vocabulary]); // [count, vocabulary]
      const logProbabilities = neg(mul(crossEntropy(flat, arrays.targets).loss, arrays.weights)); // [count]
      const texts = lengths.shape[0]!;
      const none = fill([texts, 1], 0);
      const sums = reshape(scatterAddRows(none, owner, reshape(logProbabilities, [-1, 1])), [texts]);
      const each = reshape(isPerToken ? div(sums, lengths) : sums, [texts / 2, 2]);
      const column = (index: number): Tensor => reshape(narrow(each, 1, index, index + 1), [texts / 2]);
      const margin = sub(sub(column(0), column(1)), reference); // h [pairs]
      return { loss: sum(mul(preferenceLoss(margin, settings), share)), aside: { margin } };
    },
    { label: settings.loss, ...(settings.clip === undefined ? {} : { clip: settings.clip }) },
  );

  const batchOf = async (step: number, part: number): Promise<PairBatch> => {
    const members: PreferencePair[] = [];
    for (let i = 0; i < count; i++) {
      const { ids } = await order.text(step * perStep + part * count + i);
      members.push(pairs[ids[0]!]!);
    }
    const texts = members.flatMap(({ chosen, rejected }) => [chosen, rejected]);
    const { arrays } = batchArrays(
      texts.map((text, row) => ({ text, row, offset: 0 })),
      texts.length,
      time,
    );
    const cells = arrays.at === undefined ? undefined : (arrays.at.data as Int32Array);
    const owner = Int32Array.from({ length: arrays.targets.size }, (_, i) => Math.floor((cells?.[i] ?? i) / time));
    const lengths = texts.map(learnedTokens);
    const reference = members.map(({ chosen, rejected, reference: given }) =>
      isPerToken
        ? given.chosen / learnedTokens(chosen) - given.rejected / learnedTokens(rejected)
        : given.chosen - given.rejected,
    );
    return {
      arrays,
      owner: tensor(owner),
      lengths: tensor(lengths),
      reference: tensor(reference),
      share: tensor(members.map(() => 1 / perStep)),
    };
  };

  return {
    steps,
    async begin() {
      return { descent: descent.begin(await trainable.initial()), step: 0 };
    },
    async step(state) {
      const batches = await Promise.all(Array.from({ length: accumulate }, (_, part) => batchOf(state.step, part)));
      const { loss, gradientNorm, aside } = await descent.step(state.descent, batches, rate(state.step));
      state.step++;
      const margins = aside.flatMap(({ margin }) => [...margin.toFloat64()]);
      return {
        step: state.step,
        loss,
        gradientNorm,
        accuracy: margins.filter((h) => h > 0).length / margins.length,
        margin: margins.reduce((total, h) => total + h, 0) / margins.length,
      };
    },
    save: ({ descent: trees, step }) => treeToBytes({ ...trees }, { step }),
    async load(bytes) {
      const like = { ...descent.begin(await trainable.initial()) };
      const { tree, data } = treeFromBytes(bytes, () => like);
      return {
        descent: tree as unknown as DescentState,
        step: (data as { readonly [key: string]: Json })['step'] as number,
      };
    },
    finish(state) {
      const { parameters } = state.descent;
      return { network: trainable.network(parameters), adapter: trainable.adapter(parameters) };
    },
  };
}

/** Tokens of a text that the loss is on. */
export function learnedTokens({ ids, weights }: TrainingText): number {
  let count = 0;
  for (let t = 1; t < ids.length; t++) if ((weights?.[t] ?? 1) !== 0) count++;
  return count;
}

/** Log-probability in nats of each text's weighted tokens, summed, under a network. */
export async function replyLogProbabilities(network: Network, texts: readonly TrainingText[]): Promise<number[]> {
  const scores = await network.logProbabilities(texts.map(({ ids }) => ids));
  return texts.map(({ ids, weights }, index) => {
    let total = 0;
    for (let t = 1; t < ids.length; t++) total += (weights?.[t] ?? 1) * scores[index]![t]!;
    return total;
  });
}

/** Places a row needs; checks every text on the way. */
function rowsFor(pairs: readonly PreferencePair[], { context, vocabulary }: Network['description']): number {
  if (pairs.length === 0) throw new FiducialError('train.empty', 'there are no pairs', 'Give one or more.');
  let longest = 1;
  pairs.forEach(({ chosen, rejected }, index) => {
    for (const text of [chosen, rejected]) {
      fittingText(text, context, false, vocabulary);
      longest = Math.max(longest, text.ids.length - 1);
      if (learnedTokens(text) > 0) continue;
      throw new FiducialError('train.no-turn', `pair ${index + 1} has a reply without tokens`, 'Give a reply.');
    }
    if (Array.from(chosen.ids).join() !== Array.from(rejected.ids).join()) return;
    throw new FiducialError('train.equal-replies', `the two replies of pair ${index + 1} are one text`, 'Drop it.');
  });
  return Math.min(context, Math.ceil(longest / 16) * 16);
}
