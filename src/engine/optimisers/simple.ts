/**
 * Optimisers with little state: SGD with momentum, Lion, Adafactor.
 * Sources: Sutskever et al. 2013 for momentum and Nesterov's form as PyTorch writes it; Chen et al. 2023, "Symbolic
 * Discovery of Optimization Algorithms" (Lion, algorithm 2); Shazeer and Stern 2018, "Adafactor" (algorithms 4, 5).
 * Adafactor keeps its relative step size out: the learning rate is given, and scaled by the parameter's own size only
 * when asked.
 */
import { add, div, maximum, mul, pow, rsqrt, sign, sqrt, square, sub } from '../functions/elementwise.ts';
import { reshape } from '../functions/movement.ts';
import { mean } from '../functions/reductions.ts';
import { full, tensor, type Tensor } from '../graph.ts';
import { mapTree, namedLeaves, type Tree, zipTrees } from '../tree.ts';
import { type Optimiser, settledRate, zerosOf } from './optimiser.ts';

/** Stochastic gradient descent; with momentum the buffer is momentum * buffer + gradient. */
export function sgd(
  options: { readonly momentum?: number; readonly nesterov?: boolean; readonly weightDecay?: number } = {},
): Optimiser {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
  return {
    name: 'sgd',
    init: (parameters) => (momentum === 0 ? {} : { buffer: zerosOf(parameters) }),
    update: (parameters, gradient, state, givenRate) => {
      const learningRate = settledRate(givenRate, gradient);
      const decayed =
        weightDecay === 0 ? gradient : zipTrees([gradient, parameters], ([g, w]) => add(g!, mul(w!, weightDecay)));
      if (momentum === 0) {
        return { parameters: zipTrees([parameters, decayed], ([w, g]) => sub(w!, mul(g!, learningRate))), state: {} };
      }
      const buffer = zipTrees([(state as { buffer: Tree }).buffer, decayed], ([b, g]) => add(mul(b!, momentum), g!));
      const direction = nesterov ? zipTrees([decayed, buffer], ([g, b]) => add(g!, mul(b!, momentum))) : buffer;
      return {
        parameters: zipTrees([parameters, direction], ([w, d]) => sub(w!, mul(d!, learningRate))),
        state: { buffer },
      };
    },
  };
}

/** The sign of an interpolated momentum, with decoupled weight decay. */
export function lion(
  options: { readonly beta1?: number; readonly beta2?: number; readonly weightDecay?: number } = {},
): Optimiser {
  const { beta1 = 0.9, beta2 = 0.99, weightDecay = 0 } = options;
  return {
    name: 'lion',
    init: (parameters) => ({ momentum: zerosOf(parameters) }),
    update: (parameters, gradient, state, givenRate) => {
      const learningRate = settledRate(givenRate, gradient);
      const { momentum } = state as { momentum: Tree };
      const next = zipTrees([parameters, momentum, gradient], ([w, m, g]) => {
        const direction = sign(add(mul(m!, beta1), mul(g!, 1 - beta1)));
        return sub(w!, mul(weightDecay === 0 ? direction : add(direction, mul(w!, weightDecay)), learningRate));
      });
      return {
        parameters: next,
        state: { momentum: zipTrees([momentum, gradient], ([m, g]) => add(mul(m!, beta2), mul(g!, 1 - beta2))) },
      };
    },
  };
}

export interface AdafactorOptions {
  /** Second-moment decay at step t is 1 - t^-decay. */
  readonly decay?: number;
  readonly epsilon?: number;
  /** Updates are scaled down to this root mean square. */
  readonly clipThreshold?: number;
  readonly weightDecay?: number;
  /** Multiply the learning rate by the parameter's root mean square, at least 1e-3. */
  readonly scalesByParameter?: boolean;
}

/** A second moment of one row and one column a matrix (last two axes) instead of one number a weight; no momentum. */
export function adafactor(options: AdafactorOptions = {}): Optimiser {
  const { decay = 0.8, epsilon = 1e-30, clipThreshold = 1, weightDecay = 0, scalesByParameter = false } = options;
  const isFactored = (parameter: { readonly rank: number }): boolean => parameter.rank >= 2;
  const rms = (x: Tensor): Tensor => sqrt(mean(square(x)));
  return {
    name: 'adafactor',
    init: (parameters) => ({
      step: tensor(0),
      rows: mapTree(parameters, (p) => (isFactored(p) ? full(p.shape.slice(0, -1), 0) : full([0], 0))),
      columns: mapTree(parameters, (p) =>
        isFactored(p) ? full([...p.shape.slice(0, -2), p.shape.at(-1)!], 0) : full(p.shape, 0),
      ),
    }),
    update: (parameters, gradient, state, givenRate) => {
      const learningRate = settledRate(givenRate, gradient);
      const { step: before, rows, columns } = state as unknown as { step: Tensor; rows: Tree; columns: Tree };
      const step = add(before, 1);
      const keep = sub(1, pow(step, -decay));
      const mix = (old: Tensor, now: Tensor): Tensor => add(mul(old, keep), mul(now, sub(1, keep)));
      const nextRows = new Map<string, Tensor>();
      const nextColumns = new Map<string, Tensor>();
      const oldRows = new Map(namedLeaves(rows).map(({ name, tensor: leaf }) => [name, leaf]));
      const oldColumns = new Map(namedLeaves(columns).map(({ name, tensor: leaf }) => [name, leaf]));
      const next = zipTrees([parameters, gradient], ([w, g], name) => {
        const squared = add(square(g!), epsilon);
        let scaled: Tensor;
        if (isFactored(w!)) {
          const row = mix(oldRows.get(name)!, mean(squared, { axes: -1 }));
          const column = mix(oldColumns.get(name)!, mean(squared, { axes: -2 }));
          nextRows.set(name, row);
          nextColumns.set(name, column);
          const rowFactor = rsqrt(div(row, mean(row, { axes: -1, keepDims: true })));
          scaled = mul(mul(g!, expandLast(rowFactor)), expandBeforeLast(rsqrt(column)));
        } else {
          const moment = mix(oldColumns.get(name)!, squared);
          nextRows.set(name, oldRows.get(name)!);
          nextColumns.set(name, moment);
          scaled = mul(g!, rsqrt(moment));
        }
        const clipped = div(scaled, maximum(div(rms(scaled), clipThreshold), 1));
        const rate = scalesByParameter ? mul(maximum(rms(w!), 1e-3), learningRate) : learningRate;
        const decayed = weightDecay === 0 ? w! : sub(w!, mul(w!, mul(learningRate, weightDecay)));
        return sub(decayed, mul(clipped, rate));
      });
      return {
        parameters: next,
        state: {
          step,
          rows: mapTree(rows, (_, name) => nextRows.get(name)!),
          columns: mapTree(columns, (_, name) => nextColumns.get(name)!),
        },
      };
    },
  };
}

const expandLast = (x: Tensor): Tensor => reshape(x, [...x.shape, 1]);
const expandBeforeLast = (x: Tensor): Tensor => reshape(x, [...x.shape.slice(0, -1), 1, x.shape.at(-1)!]);
