/**
 * Logistic regression with an L2 penalty, float64: minimises |w|^2 / 2 + C sum log(1 + exp(-y f)), the intercept free,
 * as scikit-learn's LogisticRegression does. By L-BFGS (Nocedal and Wright 2006, algorithm 7.5) with halving steps.
 */
import { dotOf } from './mean-difference.ts';

export interface LinearProbe {
  readonly weights: Float64Array;
  readonly bias: number;
}

export interface LogisticOptions {
  /** Inverse strength of the penalty. @default 1 */
  readonly c?: number;
  /** @default 200 */
  readonly iterations?: number;
}

/**
 * @param rows all of one length
 * @param labels 0 or 1
 * @example logisticRegression([[0], [1], [2], [3]], [0, 0, 1, 1], { c: 1 })
 */
export function logisticRegression(
  rows: readonly ArrayLike<number>[],
  labels: readonly number[],
  { c = 1, iterations = 200 }: LogisticOptions = {},
): LinearProbe {
  const width = rows[0]?.length ?? 0;
  const signs = labels.map((label) => (label > 0 ? 1 : -1));
  /** The last entry is the intercept. */
  const evaluate = (at: Float64Array): { value: number; gradient: Float64Array } => {
    let value = 0;
    const gradient = new Float64Array(width + 1);
    for (let j = 0; j < width; j++) {
      value += 0.5 * at[j]! ** 2;
      gradient[j] = at[j]!;
    }
    rows.forEach((row, i) => {
      const margin = signs[i]! * (dotOf(row, at) + at[width]!);
      value += c * (margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin);
      const pull = (-c * signs[i]!) / (1 + Math.exp(margin));
      for (let j = 0; j < width; j++) gradient[j]! += pull * row[j]!;
      gradient[width]! += pull;
    });
    return { value, gradient };
  };
  let at: Float64Array = new Float64Array(width + 1);
  let now = evaluate(at);
  const pairs: { s: Float64Array; y: Float64Array }[] = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (Math.sqrt(dotOf(now.gradient, now.gradient)) < 1e-7 * Math.max(1, c * rows.length)) break;
    const step = descentDirection(now.gradient, pairs);
    const slope = dotOf(step, now.gradient);
    let length = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dotOf(now.gradient, now.gradient))) : 1;
    let next: Float64Array;
    let then: ReturnType<typeof evaluate>;
    for (;;) {
      const size = length;
      next = at.map((x, j) => x + size * step[j]!);
      then = evaluate(next);
      if (then.value <= now.value + 1e-4 * size * slope || length < 1e-12) break;
      length /= 2;
    }
    const from = at;
    const before = now.gradient;
    const s = next.map((x, j) => x - from[j]!);
    const y = then.gradient.map((x, j) => x - before[j]!);
    if (dotOf(s, y) > 1e-12) pairs.push({ s, y });
    if (pairs.length > 10) pairs.shift();
    [at, now] = [next, then];
    if (length < 1e-12) break;
  }
  return { weights: at.slice(0, width), bias: at[width]! };
}

/** The two-loop recursion: minus the inverse Hessian's estimate times the gradient. */
function descentDirection(
  gradient: Float64Array,
  pairs: readonly { s: Float64Array; y: Float64Array }[],
): Float64Array {
  const q = Float64Array.from(gradient, (x) => -x);
  const alphas: number[] = [];
  for (const { s, y } of pairs.toReversed()) {
    const alpha = dotOf(s, q) / dotOf(s, y);
    alphas.push(alpha);
    for (let j = 0; j < q.length; j++) q[j]! -= alpha * y[j]!;
  }
  const last = pairs.at(-1);
  if (last !== undefined) {
    const scale = dotOf(last.s, last.y) / dotOf(last.y, last.y);
    for (let j = 0; j < q.length; j++) q[j]! *= scale;
  }
  pairs.forEach(({ s, y }, i) => {
    const beta = dotOf(y, q) / dotOf(s, y);
    const alpha = alphas[pairs.length - 1 - i]!;
    for (let j = 0; j < q.length; j++) q[j]! += (alpha - beta) * s[j]!;
  });
  return q;
}

export const scoreOf = ({ weights, bias }: LinearProbe, row: ArrayLike<number>): number => dotOf(weights, row) + bias;

/** Centre and scale of each column, from these rows; a column that never changes is left at 0. */
export interface Scaling {
  readonly centre: Float64Array;
  readonly factor: Float64Array;
}

export function scalingOf(rows: readonly ArrayLike<number>[]): Scaling {
  const width = rows[0]!.length;
  const centre = new Float64Array(width);
  const factor = new Float64Array(width);
  for (const row of rows) for (let j = 0; j < width; j++) centre[j]! += row[j]! / rows.length;
  for (const row of rows) for (let j = 0; j < width; j++) factor[j]! += (row[j]! - centre[j]!) ** 2 / rows.length;
  for (let j = 0; j < width; j++)
    factor[j] = factor[j]! > 1e-12 * (1 + centre[j]! ** 2) ? 1 / Math.sqrt(factor[j]!) : 0;
  return { centre, factor };
}

export const scaled = ({ centre, factor }: Scaling, row: ArrayLike<number>): Float64Array =>
  Float64Array.from(row, (x, j) => (x - centre[j]!) * factor[j]!);

/** The same probe for rows that are not scaled. */
export function unscaled({ weights, bias }: LinearProbe, { centre, factor }: Scaling): LinearProbe {
  const own = weights.map((w, j) => w * factor[j]!);
  return { weights: own, bias: bias - dotOf(own, centre) };
}
