/**
 * From logits to a token: penalties, processors and token lists first, then temperature, top-k, top-p and min-p, each
 * on what the one before it left, as transformers does; then one draw by inverse transform in the order of ids.
 *
 * Sources: Keskar et al. 2019 (repetition penalty), Holtzman et al. 2020 (top-p), Nguyen et al. 2024 (min-p), and the
 * logits processors of transformers for order and ties. A token's randomness is `random(seed).split(name).split(index)`
 * and nothing else. Ties that top-k meets at its edge all stay; top-p takes lower ids first.
 */
import { FiducialError, show } from '../../core/errors.ts';
import { random, type Random } from '../../core/random.ts';

/** What a logit processor knows. */
export interface ProcessorContext {
  /** Prompt and generated tokens so far; not to be changed. */
  readonly tokens: readonly number[];
  readonly promptLength: number;
  /** Index of the token to be chosen among the generated ones, from 0. */
  readonly index: number;
  readonly name: string;
}

/** Changes the logits [vocabulary] in place; `-Infinity` rules a token out. */
export type LogitProcessor = (context: ProcessorContext, logits: Float32Array) => void;

export interface SamplingOptions {
  /** 0 takes the most likely token, the lowest id of equals. 0 unless told. */
  readonly temperature?: number;
  /** Keep this many most likely tokens. */
  readonly topK?: number;
  /** Keep the fewest most likely tokens whose probabilities reach this sum, 0 to 1. */
  readonly topP?: number;
  /** Keep tokens with at least this share of the most likely one's probability, 0 to 1. */
  readonly minP?: number;
  /** Above 1, tokens of prompt and reply become less likely: logits below 0 are multiplied by it, others divided. */
  readonly repetitionPenalty?: number;
  /** 0 unless told. */
  readonly seed?: number | string;
  readonly processors?: readonly LogitProcessor[];
  /** Only these tokens may be chosen. */
  readonly allow?: readonly number[];
  /** These tokens may not be chosen. */
  readonly deny?: readonly number[];
}

export interface TokenChoice {
  readonly id: number;
  /** In nats. */
  readonly logprob: number;
}

/** Chooses the tokens of one request. */
export class Sampler {
  readonly #options: SamplingOptions;
  readonly #name: string;
  readonly #random: Random;
  readonly #allow: Uint8Array | undefined;
  readonly #changesLogits: boolean;

  /** @throws FiducialError `generate.option` for a setting out of its range */
  constructor(options: SamplingOptions, name: string, vocabulary: number) {
    checkSampling(options, vocabulary);
    this.#options = options;
    this.#name = name;
    this.#random = random(options.seed ?? 0).split(name);
    if (options.allow !== undefined || options.deny !== undefined) {
      const allowed = new Uint8Array(vocabulary).fill(options.allow === undefined ? 1 : 0);
      for (const id of options.allow ?? []) allowed[id] = 1;
      for (const id of options.deny ?? []) allowed[id] = 0;
      this.#allow = allowed;
    }
    this.#changesLogits =
      this.#allow !== undefined || (options.repetitionPenalty ?? 1) !== 1 || (options.processors ?? []).length > 0;
  }

  /**
   * The next token.
   *
   * @param raw logits [vocabulary], left as they are
   * @param suppressed further tokens that may not be chosen now: stop tokens of a reply that is still too short
   * @throws FiducialError `generate.no-token` where nothing may be chosen, `generate.not-finite` for logits that are
   *   no numbers
   */
  choose(
    raw: Float32Array,
    tokens: readonly number[],
    promptLength: number,
    suppressed: readonly number[] = [],
  ): number {
    const index = tokens.length - promptLength;
    let logits = raw;
    if (this.#changesLogits || suppressed.length > 0) {
      logits = raw.slice();
      this.#penalise(logits, tokens);
      for (const process of this.#options.processors ?? []) {
        process({ tokens, promptLength, index, name: this.#name }, logits);
      }
      // After the processors, so that none of them brings back what must not be chosen.
      const allowed = this.#allow;
      if (allowed !== undefined) {
        for (let id = 0; id < logits.length; id++) if (allowed[id] === 0) logits[id] = -Infinity;
      }
      for (const id of suppressed) logits[id] = -Infinity;
    }
    const best = argMax(logits);
    const highest = logits[best]!;
    if (Number.isNaN(highest) || highest === Infinity) throw notFinite(this.#name, index);
    if (highest === -Infinity) {
      throw new FiducialError(
        'generate.no-token',
        `${show(this.#name)}, token ${index}: no token may be chosen`,
        'Token lists, processors and the suppressed stop tokens leave nothing over: allow more.',
      );
    }
    const { temperature = 0 } = this.#options;
    if (temperature === 0) return best;
    const { ids, weights, total } = distribution(logits, highest, this.#options);
    let left = this.#random.split(index).uniform() * total;
    let last = best;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!;
      if (weight === 0) continue;
      last = ids === undefined ? i : ids[i]!;
      left -= weight;
      if (left < 0) return last;
    }
    return last;
  }

  #penalise(logits: Float32Array, tokens: readonly number[]): void {
    const penalty = this.#options.repetitionPenalty ?? 1;
    if (penalty === 1) return;
    for (const id of new Set(tokens)) {
      const value = logits[id]!;
      logits[id] = value < 0 ? value * penalty : value / penalty;
    }
  }
}

/**
 * The probabilities of the tokens that temperature and truncation leave, not normalised.
 *
 * @returns `weights` in ascending order of ids, valid until the next call; `ids` names them, or is undefined where
 *   weights are of all tokens
 */
export function distribution(
  logits: Float32Array,
  highest: number,
  { temperature = 1, topK, topP, minP }: SamplingOptions,
): { ids: Int32Array | undefined; weights: Float64Array; total: number } {
  const size = logits.length;
  if (scratch.length < size) scratch = new Float64Array(size);
  const weights = scratch.subarray(0, size);
  let total = 0;
  const floor = topK !== undefined && topK < size ? kthLargest(logits, topK) : -Infinity;
  for (let id = 0; id < size; id++) {
    const logit = logits[id]!;
    total += weights[id] = logit < floor ? 0 : Math.exp((logit - highest) / temperature);
  }
  if ((topP === undefined || topP >= 1) && minP === undefined) return { ids: undefined, weights, total };
  let kept: number[] = [];
  if (topP !== undefined && topP < 1) {
    // What lies below an equal share of the rest cannot reach the nucleus: it need not be sorted.
    const least = ((1 - topP) * total) / size;
    for (let id = 0; id < size; id++) if (weights[id]! > 0 && weights[id]! >= least) kept.push(id);
    kept.sort((a, b) => weights[b]! - weights[a]! || a - b);
    let sum = 0;
    let count = 0;
    while (count < kept.length && (count === 0 || sum < topP * total)) sum += weights[kept[count++]!]!;
    kept.length = count;
  } else for (let id = 0; id < size; id++) if (weights[id]! > 0) kept.push(id);
  // The most likely token has the weight 1.
  if (minP !== undefined) kept = kept.filter((id) => weights[id]! >= minP);
  const ids = Int32Array.from(kept).sort();
  const chosen = Float64Array.from(ids, (id) => weights[id]!);
  return { ids, weights: chosen, total: chosen.reduce((sum, weight) => sum + weight, 0) };
}

/** Weights of one choice; a reply of a thousand tokens should not leave a thousand arrays behind. */
let scratch = new Float64Array(0);

/** Position of the largest value, the first of equals; of a NaN where there is one. */
export function argMax(values: Float32Array): number {
  let best = 0;
  let highest = values[0]!;
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!;
    if (value > highest) {
      best = i;
      highest = value;
    } else if (value !== value) return i;
  }
  return best;
}

/** log(sum(exp(values))). */
export function logSumExp(values: Float32Array): number {
  const highest = values[argMax(values)]!;
  if (!Number.isFinite(highest)) return highest;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - highest);
  return highest + Math.log(sum);
}

/**
 * The `count` most likely tokens with their log-probabilities, most likely first, lower ids first among equals.
 *
 * @param logNormaliser {@link logSumExp} of the logits
 */
export function topTokens(logits: Float32Array, count: number, logNormaliser = logSumExp(logits)): TokenChoice[] {
  if (count <= 0) return [];
  const floor = kthLargest(logits, Math.min(count, logits.length));
  const ids: number[] = [];
  for (let id = 0; id < logits.length; id++) if (logits[id]! >= floor) ids.push(id);
  ids.sort((a, b) => logits[b]! - logits[a]! || a - b);
  return ids.slice(0, count).map((id) => ({ id, logprob: logits[id]! - logNormaliser }));
}

/** The k-th largest value, by a heap of the k largest so far. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k).sort(); // ascending, so already a heap with the smallest on top
  for (let i = k; i < values.length; i++) {
    const value = values[i]!;
    if (!(value > heap[0]!)) continue;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= k) break;
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
  return heap[0]!;
}

function checkSampling(options: SamplingOptions, vocabulary: number): void {
  const check = (name: keyof SamplingOptions, isGood: (value: number) => boolean, range: string): void => {
    const value = options[name];
    if (value === undefined || (typeof value === 'number' && isGood(value))) return;
    throw new FiducialError('generate.option', `${name} is ${show(value)}`, `Give ${range}.`);
  };
  check('temperature', (value) => value >= 0 && value < Infinity, '0 or a positive number');
  check('topK', (value) => Number.isInteger(value) && value >= 1, 'a whole number from 1 up');
  check('topP', (value) => value > 0 && value <= 1, 'a number above 0 and up to 1');
  check('minP', (value) => value >= 0 && value <= 1, 'a number from 0 to 1');
  check('repetitionPenalty', (value) => value > 0 && value < Infinity, 'a positive number; 1 for none');
  for (const list of ['allow', 'deny'] as const) {
    const bad = options[list]?.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
    if (bad === undefined) continue;
    throw new FiducialError(
      'generate.option',
      `${list} names the token ${show(bad)}`,
      `Ids go from 0 to ${vocabulary - 1}.`,
    );
  }
}

export function notFinite(name: string, index: number): FiducialError {
  return new FiducialError(
    'generate.not-finite',
    `${show(name)}, token ${index}: the model gave logits that are not finite`,
    'Run the model with compile(..., { checkFinite: true }) to find the operator that made them.',
  );
}
