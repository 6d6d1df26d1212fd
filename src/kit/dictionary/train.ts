/**
 * Training a sparse dictionary: one step over one batch, with a state that is saved and read back exactly.
 *
 * Each step: the gradient of the form's loss, the part of it along each decoder row taken out, its norm clipped at 1,
 * Adam, decoder rows made length 1 again (saprmarks/dictionary_learning, trainers). The rate is warmed up and falls to
 * 0 over the last fifth, the sparsity term is warmed up too. Latents that no token used for `deadAfter` tokens are
 * dead and take part in the auxiliary loss. Departures: warm-ups are shares of the run where it is short, and data is
 * scaled by its distance from its middle, because one huge constant dimension would else leave nothing of the others.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import {
  adam,
  add,
  clipByGlobalNorm,
  compile,
  type Compiled,
  div,
  fromData,
  mul,
  namedLeaves,
  norm,
  type Optimiser,
  sub,
  sum,
  type Tensor,
  type Tree,
  mapTree,
  valueAndGradWithAux,
} from '../../engine/index.ts';
import { readSafetensorsBytes, safetensorsBytes } from '../../network/checkpoint/index.ts';
import {
  type Dictionary,
  type DictionaryForm,
  type DictionaryParameters,
  initialDictionary,
  nestedSizes,
} from './dictionary.ts';
import { geometricMedian } from './geometric-median.ts';
import { dictionaryLoss, type LossSettings } from './losses.ts';

export interface TrainingSettings {
  readonly form: DictionaryForm;
  readonly latents: number;
  readonly k: number;
  readonly steps: number;
  readonly batch: number;
  /** Adam's rate at its peak; the form's own unless told. */
  readonly rate?: number | undefined;
  /** See {@link LossSettings}; the form's own unless told. */
  readonly sparsity?: number | undefined;
  readonly targetL0?: number | undefined;
  readonly auxiliary?: number | undefined;
  readonly auxiliaryK?: number | undefined;
  /** Tokens without use after which a latent is dead; 10 million, or a tenth of the run where that is less. */
  readonly deadAfter?: number | undefined;
  /** `matryoshka`: sizes of the nested dictionaries, ascending, the last one `latents`; the authors' unless told. */
  readonly nested?: readonly number[] | undefined;
  /** Whether decoder rows are kept at length 1; without it `l1` is the form of April 2024. */
  readonly unitRows?: boolean | undefined;
}

export interface TrainingState {
  dictionary: Dictionary;
  /** Adam's moments. */
  optimiser: Tree;
  /** Tokens seen since each latent was last used. */
  silent: Float64Array;
  step: number;
  /** Reports of about a hundred steps, evenly spaced. */
  curve: (StepReport & { readonly step: number })[];
}

/** What a step saw, before its update. */
export interface StepReport {
  readonly loss: number;
  readonly error: number;
  readonly unexplained: number;
  readonly l0: number;
  readonly dead: number;
}

export interface Trainer {
  /** @param sample raw activations [count, width] from which scale and centre are taken */
  initial(sample: Float32Array, width: number, random: Random): TrainingState;
  /** Changes the state in place. @param activations raw [batch, width] */
  step(state: TrainingState, activations: Float32Array): Promise<StepReport>;
  save(state: TrainingState): Promise<Uint8Array>;
  load(bytes: Uint8Array): TrainingState;
}

/** Adam's rates: dictionary_learning's rule for the TopK family, the papers' own for the others. */
export function defaultRate(form: DictionaryForm, latents: number): number {
  if (form === 'l1') return 1e-3;
  const rule = 2e-4 / Math.sqrt(latents / 2 ** 14);
  return form === 'jumprelu' ? Math.max(7e-5, rule / 2) : Math.min(3e-3, rule);
}

/** `l1`: beside summed squared errors at mean squared length = width; `jumprelu`: as in its paper. */
export const defaultSparsity = (form: DictionaryForm): number => (form === 'l1' ? 1 : form === 'jumprelu' ? 2e-3 : 0);

type Step = Compiled<
  [DictionaryParameters, Tree, Tensor, Tensor | undefined, number, number, number],
  {
    parameters: Tree;
    state: Tree;
    report: { loss: Tensor; error: Tensor; unexplained: Tensor; l0: Tensor; used: Tensor; least: Tensor };
  }
>;

/**
 * @example
 * const trainer = openTrainer({ form: 'topk', latents: 512, k: 8, steps: 4000, batch: 1024 });
 * const state = trainer.initial(sample, width, random('dictionary'));
 * for (let i = 0; i < 4000; i++) await trainer.step(state, await stream.batch(i));
 */
export function openTrainer(settings: TrainingSettings): Trainer {
  const { form, latents, k, steps, batch, unitRows = true } = settings;
  if (k > latents) {
    throw new FiducialError('dictionary.bad-setting', `k is ${k} of ${latents} latents`, 'Keep fewer than there are.');
  }
  const rate = settings.rate ?? defaultRate(form, latents);
  const optimiser: Optimiser = adam(form === 'jumprelu' ? { beta1: 0 } : {});
  const deadAfter = settings.deadAfter ?? Math.min(10_000_000, Math.max(batch, (steps * batch) / 10));
  const warmSteps = Math.min(1000, Math.max(1, Math.floor(steps / 20)));
  const decayFrom = Math.floor(0.8 * steps);

  const lossSettings = (width: number): LossSettings => ({
    sparsity: settings.sparsity ?? defaultSparsity(form),
    targetL0: settings.targetL0,
    bandwidth: 1e-3 * Math.sqrt(width) * BANDWIDTHS,
    auxiliary: settings.auxiliary ?? 1 / 32,
    auxiliaryK: settings.auxiliaryK,
  });

  const nested = form === 'matryoshka' ? (settings.nested ?? nestedSizes(latents)) : [latents];
  requireNested(nested, latents);
  const step: Step = compile(
    (
      p: DictionaryParameters,
      state: Tree,
      x: Tensor,
      dead: Tensor | undefined,
      shrink: number,
      stepRate: number,
      warmth: number,
    ) => {
      const width = x.shape[1]!;
      // Numbers among the arguments of a compiled function are scalars of its graph.
      const scaled = mul(x, shrink);
      const { value, aux, gradient } = valueAndGradWithAux((q: DictionaryParameters) =>
        dictionaryLoss({ form, width, latents, k, nested }, lossSettings(width), q, scaled, dead, warmth),
      )(p);
      const clipped = clipByGlobalNorm(unitRows ? alongSphere(p, gradient) : gradient, 1).gradient;
      const next = optimiser.update(p, clipped, state, stepRate);
      return {
        parameters: unitRows ? withUnitRows(next.parameters) : next.parameters,
        state: next.state,
        report: { loss: value, ...aux },
      };
    },
    { donate: [0, 1], label: `dictionary step, ${form}` },
  );

  return {
    initial(sample, width, random) {
      const middle = geometricMedian(sample, width);
      const scale = scaleOf(sample, middle);
      const centre = middle.map((value) => value / scale);
      // For data of mean squared length 1 the paper begins at 1e-3; lengths here are as the root of the width.
      const dictionary = initialDictionary(
        { form, width, latents, k, scale, nested },
        centre,
        random,
        1e-3 * Math.sqrt(width) * BANDWIDTHS,
      );
      return {
        dictionary,
        optimiser: optimiser.init(dictionary.parameters),
        silent: new Float64Array(latents),
        step: 0,
        curve: [],
      };
    },

    async step(state, activations) {
      const { dictionary, silent } = state;
      const { width } = dictionary;
      const count = activations.length / width;
      const warmth = Math.min(1, (state.step + 1) / warmSteps);
      const fall = state.step < decayFrom ? 1 : (steps - state.step) / (steps - decayFrom);
      const dead = Float32Array.from(silent, (tokens) => (tokens >= deadAfter ? 1 : 0));
      const deadCount = dead.reduce((total, one) => total + one, 0);
      const hasAuxiliary = deadCount > 0 && form !== 'l1' && form !== 'jumprelu';
      const {
        parameters,
        state: optimiserState,
        report,
      } = await step(
        dictionary.parameters,
        state.optimiser,
        fromData(activations, [count, width], 'float32'),
        hasAuxiliary ? fromData(dead, [latents], 'float32') : undefined,
        1 / dictionary.scale,
        rate * warmth * fall,
        warmth,
      );
      const used = report.used.data as Float32Array;
      for (let i = 0; i < latents; i++) silent[i] = used[i]! > 0 ? 0 : silent[i]! + count;
      state.dictionary = {
        ...dictionary,
        parameters: parameters as unknown as DictionaryParameters,
        threshold: nextThreshold(dictionary.threshold, report.least.item(), state.step, steps),
      };
      state.optimiser = optimiserState;
      const seen: StepReport = {
        loss: finite(report.loss.item(), state.step),
        error: report.error.item(),
        unexplained: report.unexplained.item(),
        l0: report.l0.item(),
        dead: deadCount,
      };
      if (state.step % Math.ceil(steps / 100) === 0) state.curve.push({ step: state.step, ...seen });
      state.step++;
      return seen;
    },

    save: saveState,
    load: (bytes) => loadState(bytes, optimiser),
  };
}

/** JumpReLU's window and first threshold as multiples of the paper's, which needs billions of tokens; here less is seen. */
const BANDWIDTHS = 30;

/** The gradient without what would only change the lengths of decoder rows. Traced. */
function alongSphere(p: DictionaryParameters, gradient: DictionaryParameters): DictionaryParameters {
  const along = sum(mul(gradient.decoder, p.decoder), { axes: 1, keepDims: true });
  return { ...gradient, decoder: sub(gradient.decoder, mul(p.decoder, along)) };
}

function withUnitRows(parameters: Tree): Tree {
  return mapTree(parameters, (leaf, name) =>
    name === 'decoder' ? div(leaf, add(norm(leaf, { axes: 1, keepDims: true }), 1e-12)) : leaf,
  );
}

/** The running mean of the least kept code, at 0.999 from step 1,000 on; sooner and faster where the run is short. */
function nextThreshold(before: number, least: number, step: number, steps: number): number {
  if (step < Math.min(1000, Math.floor(steps / 2))) return 0;
  const decay = Math.min(0.999, 1 - 10 / Math.max(steps, 20));
  return before === 0 ? least : decay * before + (1 - decay) * least;
}

/** What makes the mean squared distance of rows from their middle equal to the width. */
function scaleOf(sample: Float32Array, middle: Float32Array): number {
  const width = middle.length;
  let squared = 0;
  for (let i = 0; i < sample.length; i++) squared += (sample[i]! - middle[i % width]!) ** 2;
  const scale = Math.sqrt(squared / sample.length);
  if (sample.length >= width && Number.isFinite(scale) && scale > 0) return scale;
  throw new FiducialError(
    'dictionary.no-data',
    `${sample.length / width} activations whose mean squared distance from their middle is ${show(scale ** 2)}`,
    'Give activations that are finite and not all the same.',
  );
}

function requireNested(sizes: readonly number[], latents: number): void {
  const isAscending = sizes.every((size, i) => Number.isInteger(size) && size > (i === 0 ? 0 : sizes[i - 1]!));
  if (isAscending && sizes.at(-1) === latents) return;
  throw new FiducialError(
    'dictionary.bad-setting',
    `The nested sizes ${show(sizes)} do not rise to ${latents} latents`,
    'Give ascending sizes that end with the number of latents.',
  );
}

function finite(loss: number, step: number): number {
  if (Number.isFinite(loss)) return loss;
  throw new FiducialError('dictionary.diverged', `The loss of step ${step} is ${loss}`, 'Train with a lower --rate.');
}

async function saveState({ dictionary, optimiser, silent, step, curve }: TrainingState): Promise<Uint8Array> {
  const { parameters, ...shape } = dictionary;
  const leaves = [
    ...namedLeaves(parameters).map(({ name, tensor }) => ({ name: `parameters.${name}`, tensor })),
    ...namedLeaves(optimiser).map(({ name, tensor }) => ({ name: `optimiser.${name}`, tensor })),
  ];
  return await safetensorsBytes(
    leaves.map(({ name, tensor: { shape: sizes, data } }) => ({ name, dtype: 'F32' as const, shape: sizes, data })),
    { state: JSON.stringify({ shape, step, silent: [...silent], curve }) },
  );
}

function loadState(bytes: Uint8Array, optimiser: Optimiser): TrainingState {
  const { tensors, metadata } = readSafetensorsBytes(bytes);
  const { shape, step, silent, curve } = JSON.parse(metadata['state']!) as {
    shape: Omit<Dictionary, 'parameters'>;
    step: number;
    silent: number[];
    curve: TrainingState['curve'];
  };
  const read = (name: string): Tensor => {
    const { shape: sizes, data } = tensors.get(name)!;
    return fromData(data, sizes, 'float32');
  };
  const names = [...tensors.keys()].filter((name) => name.startsWith('parameters.'));
  const parameters = Object.fromEntries(
    names.map((name) => [name.slice('parameters.'.length), read(name)]),
  ) as unknown as DictionaryParameters;
  return {
    dictionary: { ...shape, parameters },
    optimiser: mapTree(optimiser.init(parameters), (_, name) => read(`optimiser.${name}`)),
    silent: Float64Array.from(silent),
    step,
    curve,
  };
}
