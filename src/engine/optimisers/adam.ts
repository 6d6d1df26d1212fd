/**
 * Adam, and AdamW with decoupled weight decay.
 * Source: Kingma and Ba 2015, "Adam"; Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization".
 *
 * The moments are kept divided by 1 - beta (so m' = beta1 m + g and v' = beta2 v + g^2), and the bias corrections are
 * folded into two scalars: the same numbers as the published form up to rounding, with a quarter fewer passes over
 * memory. Weight decay multiplies by 1 - learningRate * weightDecay, as PyTorch's AdamW does.
 */
import { add, div, mul, pow, reciprocal, sqrt, square, sub } from '../functions/elementwise.ts';
import { tensor, type Tensor } from '../graph.ts';
import { mapTree, type Tree, zipTrees } from '../tree.ts';
import { type Optimiser, settledRate, zerosOf } from './optimiser.ts';

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

interface AdamState {
  readonly first: Tree;
  readonly second: Tree;
  readonly step: Tensor;
}

export const adam = (options: AdamOptions = {}): Optimiser => adamWithDecay('adam', options, 0);

/** AdamW; `weightDecay` is 0.01 by default, as in PyTorch. */
export const adamw = (options: AdamOptions & { readonly weightDecay?: number } = {}): Optimiser =>
  adamWithDecay('adamw', options, options.weightDecay ?? 0.01);

function adamWithDecay(name: string, options: AdamOptions, weightDecay: number): Optimiser {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  return {
    name,
    init: (parameters) => ({ first: zerosOf(parameters), second: zerosOf(parameters), step: tensor(0) }),
    update: (parameters, gradient, state, givenRate) => {
      const learningRate = settledRate(givenRate, gradient);
      const { first, second, step: stepBefore } = state as unknown as AdamState;
      const step = add(stepBefore, 1);
      // v / (1 - beta2^t), and m / (1 - beta1^t), in terms of the scaled moments.
      const correction1 = div(1 - beta1, sub(1, pow(beta1, step)));
      const correction2 = sqrt(div(1 - beta2, sub(1, pow(beta2, step))));
      const size = mul(div(correction1, correction2), learningRate);
      const floor = mul(reciprocal(correction2), epsilon);
      const keep = sub(1, mul(learningRate, weightDecay));
      // One tensor after another: the runtime works in this order, and what one tensor needs stays in the cache.
      const firsts = new Map<string, Tensor>();
      const seconds = new Map<string, Tensor>();
      const next = zipTrees([parameters, first, second, gradient], ([w, mBefore, vBefore, g], tensorName) => {
        const m = add(mul(mBefore!, beta1), g!);
        const v = add(mul(vBefore!, beta2), square(g!));
        firsts.set(tensorName, m);
        seconds.set(tensorName, v);
        const change = mul(div(m, add(sqrt(v), floor)), size);
        return sub(weightDecay === 0 ? w! : mul(w!, keep), change);
      });
      const nextFirst = mapTree(first, (_, tensorName) => firsts.get(tensorName)!);
      const nextSecond = mapTree(second, (_, tensorName) => seconds.get(tensorName)!);
      return { parameters: next, state: { first: nextFirst, second: nextSecond, step } };
    },
  };
}
