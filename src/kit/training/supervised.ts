/**
 * Supervised training: next-token loss on chosen tokens, over packed rows, with accumulation, AdamW under warm-up and
 * cosine, clipping, evaluation, early stop with the best weights, and checkpoints that resume bit for bit.
 *
 * Card O-C1, step 1. The loss of a step is the mean over the step's weighted tokens, however they are spread over
 * micro-batches. `openSupervised` gives the parts for a loop of one's own (train/supervised); `trainSupervised` is the
 * loop for code outside of a run (the lab's builder). Same machine, thread count and settings: same weights.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { Json } from '../../core/values.ts';
import {
  compile,
  crossEntropy,
  mul,
  reshape,
  sum,
  tensor,
  type Tensor,
  type Tree,
  warmupSchedule,
} from '../../engine/index.ts';
import { forward, type Network } from '../../network/index.ts';
import { type DescentState, openDescent } from './descent.ts';
import {
  batchArrays,
  type CountedBatch,
  forwardInputs,
  packBatch,
  packingBegins,
  type PackState,
  type TokenBatch,
} from './packing.ts';
import { peakFlops, stepFlops } from './speed.ts';
import type { TextSource, TrainingText } from './texts.ts';
import {
  type AdapterParts,
  allParameters,
  copyTree,
  type LoraSettings,
  lowRankChange,
  type Trainable,
} from './trainable.ts';
import { treeFromBytes, treeToBytes } from './tree-bytes.ts';

export interface SupervisedSettings {
  /** What a low-rank change begins with is drawn from it. */
  readonly random: Random;
  /** Steps of the optimiser, over as many passes as they take; needed for a source without end. */
  readonly steps?: number;
  /** Passes over a source with an end. @default 1, or what `steps` take */
  readonly epochs?: number;
  /** Places in a row. @default what the longest text of a source with an end takes, else 128; the context at most */
  readonly time?: number;
  /** Rows of a micro-batch. @default what `batchTokens` allow, and one pass over the texts fills */
  readonly rows?: number;
  /** Places in a micro-batch. @default 4,096: enough for matrix products to outweigh the rest at the lab's sizes */
  readonly batchTokens?: number;
  /** Micro-batches a step. @default 1 */
  readonly accumulate?: number;
  /** Cut texts longer than a row instead of refusing them. */
  readonly mayCut?: boolean;
  /** Highest learning rate. @default 1e-3 */
  readonly learningRate?: number;
  /** Share of the steps in which the rate rises. @default 0.03 */
  readonly warmup?: number;
  /** What the rate falls to, as a share of the highest. @default 0.1 */
  readonly finalRate?: number;
  readonly shape?: 'cosine' | 'linear' | 'constant';
  readonly weightDecay?: number;
  readonly beta2?: number;
  readonly clip?: number;
  /** Train a low-rank change instead of all parameters. */
  readonly lora?: LoraSettings;
  readonly evaluation?: {
    readonly texts: readonly TrainingText[];
    /** Steps between evaluations; there is always one after the last step. @default a tenth of the steps */
    readonly every?: number;
    /** Evaluations without a better loss after which training stops; never unless told. */
    readonly patience?: number;
  };
}

export interface Evaluated {
  readonly step: number;
  /** Mean loss in nats a weighted token. */
  readonly loss: number;
}

/** Where training stands. A step takes its arrays over. */
export interface SupervisedState {
  descent: DescentState;
  step: number;
  packing: PackState;
  /** Tokens read, padding not counted. */
  tokens: number;
  evaluations: Evaluated[];
  /** The parameters of the best evaluation, where there were any. */
  best: Tree | undefined;
  /** Why training ended before its last step. */
  stopped: 'no better' | 'no texts' | undefined;
}

/** What a step did. */
export interface StepReport {
  readonly step: number;
  readonly steps: number;
  /** Nats a weighted token, before the step. */
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Tokens of the step, padding not counted, and the share of places that they fill. */
  readonly tokens: number;
  readonly filled: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** Matrix products of the step against the best bare product on this machine. */
  readonly shareOfPeak: number;
  readonly evaluated?: Evaluated;
}

export interface Supervised {
  readonly steps: number;
  readonly rows: number;
  readonly time: number;
  begin(): Promise<SupervisedState>;
  /** One step; undefined once training is over. */
  step(state: SupervisedState): Promise<StepReport | undefined>;
  /** Mean loss over texts, in nats a weighted token, under the state's present parameters. */
  evaluate(state: SupervisedState, texts: readonly TrainingText[]): Promise<number>;
  save(state: SupervisedState): Uint8Array;
  load(bytes: Uint8Array): Promise<SupervisedState>;
  /** What training gave: the best weights where it evaluated, else the last. */
  finish(state: SupervisedState): Trained;
}

export interface Trained {
  readonly network: Network;
  /** Where a low-rank change was trained: its halves, to be saved as an adapter. */
  readonly adapter: AdapterParts | undefined;
  readonly steps: number;
  readonly tokens: number;
  readonly evaluations: readonly Evaluated[];
  readonly stopped: SupervisedState['stopped'];
}

/**
 * The parts of supervised training over one network and source.
 *
 * @throws FiducialError `train.steps` where neither steps nor an end of the source say how long; `train.too-long`
 */
export async function openSupervised(
  network: Network,
  source: TextSource,
  settings: SupervisedSettings,
): Promise<Supervised> {
  const { description } = network;
  const { accumulate = 1, evaluation, learningRate = 1e-3, finalRate = 0.1, warmup = 0.03, mayCut = false } = settings;
  const { longest, total } = await lengthsOf(source);
  const time = settings.time ?? Math.min(description.context, Math.ceil(longest / 16) * 16);
  // No more rows than one pass over the texts fills: what lies beyond would be padding, or the same texts again.
  const needed = total === undefined ? Infinity : Math.ceil((1.1 * total) / time);
  const rows = settings.rows ?? Math.max(1, Math.min(needed, Math.floor((settings.batchTokens ?? 4096) / time)));
  const passes = settings.epochs ?? (settings.steps === undefined ? 1 : undefined);
  const end = source.length === undefined || passes === undefined ? undefined : source.length * passes;
  const packing = { rows, time, mayCut, vocabulary: description.vocabulary, ...(end === undefined ? {} : { end }) };
  const steps = settings.steps ?? (await countSteps(source, packing, accumulate));
  const rate = warmupSchedule({
    peak: learningRate,
    steps,
    warmupSteps: Math.min(steps, Math.ceil(warmup * steps)),
    final: learningRate * finalRate,
    ...(settings.shape === undefined ? {} : { shape: settings.shape }),
  });
  const trainable: Trainable =
    settings.lora === undefined
      ? allParameters(network)
      : await lowRankChange(network, settings.lora, settings.random.split('lora'));
  const isFrozen = settings.lora !== undefined;

  /** Sum of the weighted losses of a batch. */
  const lossSum = (parameters: Tree, batch: TokenBatch): Tensor => {
    const { logits } = forward(description, forwardInputs(batch), trainable.options(parameters));
    const flat = reshape(logits!, [-1, description.vocabulary]); // [count, vocabulary]
    return sum(mul(crossEntropy(flat, batch.targets).loss, batch.weights));
  };
  const descent = openDescent(
    (parameters: Tree, { batch, share }: { batch: TokenBatch; share: Tensor }) => ({
      loss: mul(lossSum(parameters, batch), share),
      aside: null,
    }),
    {
      label: 'supervised',
      ...(settings.weightDecay === undefined ? {} : { weightDecay: settings.weightDecay }),
      ...(settings.beta2 === undefined ? {} : { beta2: settings.beta2 }),
      ...(settings.clip === undefined ? {} : { clip: settings.clip }),
    },
  );
  const score = compile(lossSum, { label: 'supervised: evaluation' });

  const draw = async (state: PackState): Promise<{ batches: CountedBatch[]; packing: PackState }> => {
    const batches: CountedBatch[] = [];
    let at = state;
    while (batches.length < accumulate) {
      const packed = await packBatch(source, at, packing);
      if (packed === undefined) break;
      at = packed.state;
      batches.push(batchArrays(packed.placed, rows, time));
    }
    return { batches, packing: at };
  };

  const evaluateAt = async (parameters: Tree, texts: readonly TrainingText[]): Promise<number> => {
    const given = { length: texts.length, text: (index: number) => texts[index]! };
    let [total, weight] = [0, 0];
    let at = packingBegins;
    for (;;) {
      const packed = await packBatch(given, at, { ...packing, end: texts.length });
      if (packed === undefined) return total / weight;
      at = packed.state;
      const batch = batchArrays(packed.placed, rows, time);
      total += (await score(parameters, batch.arrays)).item();
      weight += batch.weight;
    }
  };

  return {
    steps,
    rows,
    time,
    async begin() {
      const parameters = await trainable.initial();
      return {
        descent: descent.begin(parameters),
        step: 0,
        packing: packingBegins,
        tokens: 0,
        evaluations: [],
        best: undefined,
        stopped: undefined,
      };
    },

    async step(state) {
      if (state.stopped !== undefined || state.step >= steps) return undefined;
      const beginMs = performance.now();
      const { batches, packing: next } = await draw(state.packing);
      const weight = batches.reduce((total, batch) => total + batch.weight, 0);
      if (batches.length === 0) {
        state.stopped = 'no texts';
        return undefined;
      }
      if (!(weight > 0)) {
        throw new FiducialError('train.no-loss', `step ${state.step + 1} holds no token with a loss`, WEIGHTS_HINT);
      }
      const now = rate(state.step);
      const share = 1 / weight;
      const { loss, gradientNorm } = await descent.step(
        state.descent,
        batches.map(({ arrays }) => ({ batch: arrays, share: tensor(share) })),
        now,
      );
      state.packing = next;
      state.step++;
      const tokens = batches.reduce((total, batch) => total + batch.tokens, 0);
      state.tokens += tokens;
      const seconds = (performance.now() - beginMs) / 1000;
      const cells = rows * time * batches.length;
      const logits = batches.reduce((total, batch) => total + batch.logits, 0);
      const flops = stepFlops(description, { cells, time, logits }, isFrozen);
      const evaluated = await evaluateIfDue(state);
      return {
        step: state.step,
        steps,
        loss,
        gradientNorm,
        learningRate: now,
        tokens,
        filled: tokens / cells,
        seconds,
        tokensPerSecond: tokens / seconds,
        shareOfPeak: flops / seconds / (await peakFlops()),
        ...(evaluated === undefined ? {} : { evaluated }),
      };
    },

    evaluate: (state, texts) => evaluateAt(state.descent.parameters, texts),

    save(state) {
      const { descent: trees, best, ...data } = state;
      return treeToBytes(best === undefined ? { ...trees } : { ...trees, best }, {
        ...data,
        hasBest: best !== undefined,
        stopped: data.stopped ?? null,
      } as unknown as Json);
    },

    async load(bytes) {
      const parameters = await trainable.initial();
      const like = { ...descent.begin(parameters) };
      const { tree, data } = treeFromBytes(bytes, (saved) =>
        (saved as { hasBest: boolean }).hasBest ? { ...like, best: parameters } : like,
      );
      const { best, ...trees } = tree as unknown as DescentState & { best?: Tree };
      const { hasBest: _, stopped, ...rest } = data as unknown as Saved;
      return { ...rest, descent: trees, best, stopped: stopped ?? undefined };
    },

    finish(state) {
      const parameters = state.best ?? state.descent.parameters;
      return {
        network: trainable.network(parameters),
        adapter: trainable.adapter(parameters),
        steps: state.step,
        tokens: state.tokens,
        evaluations: state.evaluations,
        stopped: state.stopped,
      };
    },
  };

  /** Evaluates when a step calls for it, keeps the best weights, and says when to stop. */
  async function evaluateIfDue(state: SupervisedState): Promise<Evaluated | undefined> {
    if (evaluation === undefined) return undefined;
    if (state.step % (evaluation.every ?? Math.ceil(steps / 10)) !== 0 && state.step !== steps) return undefined;
    const evaluated = { step: state.step, loss: await evaluateAt(state.descent.parameters, evaluation.texts) };
    const before = state.evaluations.map(({ loss }) => loss);
    state.evaluations.push(evaluated);
    if (evaluated.loss < Math.min(Infinity, ...before)) {
      state.best = await copyTree(state.descent.parameters);
      return evaluated;
    }
    const bestAt = before.indexOf(Math.min(...before));
    if (before.length - bestAt >= (evaluation.patience ?? Infinity)) state.stopped = 'no better';
    return evaluated;
  }
}

type Saved = Omit<SupervisedState, 'descent' | 'best' | 'stopped'> & {
  readonly hasBest: boolean;
  readonly stopped: SupervisedState['stopped'] | null;
};

/** What a loop outside of a run may hang in. */
export interface TrainingHooks {
  /** A checkpoint to go on from. */
  readonly resume?: Uint8Array;
  /** Called with a checkpoint after every so many steps, and when training is cancelled. */
  readonly checkpoint?: { readonly every: number; save(bytes: Uint8Array, step: number): void | Promise<void> };
  readonly signal?: AbortSignal;
  onStep?(report: StepReport): void | Promise<void>;
}

/**
 * Trains to the end.
 *
 * @example
 * const { network } = await trainSupervised(initialiseNetwork(config, random(7)), corpus, {
 *   random: random(7), steps: 2000, time: 64, learningRate: 3e-3,
 * }, { onStep: ({ step, loss }) => console.log(step, loss) });
 */
export async function trainSupervised(
  network: Network,
  source: TextSource,
  settings: SupervisedSettings,
  hooks: TrainingHooks = {},
): Promise<Trained> {
  const training = await openSupervised(network, source, settings);
  const state = hooks.resume === undefined ? await training.begin() : await training.load(hooks.resume);
  const { checkpoint, signal } = hooks;
  while (state.step < training.steps && state.stopped === undefined) {
    if (signal?.aborted === true) {
      await checkpoint?.save(training.save(state), state.step);
      signal.throwIfAborted();
    }
    const report = await training.step(state);
    if (report === undefined) break;
    if (checkpoint !== undefined && report.step % checkpoint.every === 0) {
      await checkpoint.save(training.save(state), state.step);
    }
    await hooks.onStep?.(report);
  }
  return training.finish(state);
}

/** Places that the longest text takes, and all of them; a source without end says neither. */
async function lengthsOf(source: TextSource): Promise<{ readonly longest: number; readonly total?: number }> {
  if (source.length === undefined) return { longest: 128 };
  let [longest, total] = [1, 0];
  for (let i = 0; i < source.length; i++) {
    const places = (await source.text(i)).ids.length - 1;
    longest = Math.max(longest, places);
    total += places;
  }
  return { longest, total };
}

/** Steps that a source with an end takes: packed once for its lengths. */
async function countSteps(
  source: TextSource,
  packing: Parameters<typeof packBatch>[2],
  accumulate: number,
): Promise<number> {
  if (packing.end === undefined) {
    throw new FiducialError('train.steps', 'the source has no end, and no number of steps is given', 'Give steps.');
  }
  let batches = 0;
  for (let state = packingBegins; ; batches++) {
    const packed = await packBatch(source, state, packing);
    if (packed === undefined) break;
    state = packed.state;
  }
  return Math.max(1, Math.ceil(batches / accumulate));
}

const WEIGHTS_HINT = 'Check which tokens the loss is on: conversations need a turn of the assistant.';
