/**
 * What every optimiser is: a pure, traced update of a tree of parameters, with a state that is a tree as well, so that
 * a step compiles with parameters and state donated, and both are saved and restored exactly like any arrays.
 */
import { FiducialError } from '../../core/errors.ts';
import { after } from '../functions/control.ts';
import { add, clip, div, fill, minimum, mul, square, sqrt } from '../functions/elementwise.ts';
import { sum } from '../functions/reductions.ts';
import { full, type Tensor } from '../graph.ts';
import { mapTree, type Tree, treeLeaves, zipTrees } from '../tree.ts';

export interface Optimiser {
  readonly name: string;
  /** The state before the first step, as concrete arrays. */
  init(parameters: Tree): Tree;
  /**
   * One step, traced. The learning rate is a number or a float32 scalar, so that a schedule needs no new graph.
   * Returns new parameters and state of the same form.
   */
  update(
    parameters: Tree,
    gradient: Tree,
    state: Tree,
    learningRate: Tensor | number,
  ): { parameters: Tree; state: Tree };
}

/** Concrete zeros with the shapes of `parameters`. */
export const zerosOf = (parameters: Tree): Tree => mapTree(parameters, (leaf) => full(leaf.shape, 0, leaf.dtype));

/** Square root of the sum of squares over all tensors of a tree. */
export function globalNorm(tree: Tree): Tensor {
  return sqrt(
    treeLeaves(tree)
      .map((leaf) => sum(square(leaf)))
      .reduce((a, b) => add(a, b)),
  );
}

/**
 * The learning rate, held back until the last gradient of the backward pass is there: then every weight has been read
 * for the last time, and updates may overwrite donated weights in place.
 */
export function settledRate(learningRate: Tensor | number, gradient: Tree): Tensor {
  const rate = typeof learningRate === 'number' ? fill([], learningRate) : learningRate;
  const leaves = treeLeaves(gradient).filter((leaf) => leaf.node !== undefined && leaf.size > 0);
  const last = leaves.reduce<Tensor | undefined>(
    (a, b) => (a !== undefined && a.node!.id > b.node!.id ? a : b),
    undefined,
  );
  return last === undefined || rate.dtype !== 'float32' ? rate : after(rate, last);
}

/**
 * Scales a gradient so that its global norm is at most `limit`.
 * Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
 */
export function clipByGlobalNorm(gradient: Tree, limit: number): { gradient: Tree; norm: Tensor } {
  const norm = globalNorm(gradient);
  const factor = minimum(div(limit, add(norm, 1e-6)), 1);
  return { gradient: mapTree(gradient, (leaf) => mul(leaf, factor)), norm };
}

/** Keeps every element between -limit and limit. */
export const clipByValue = (gradient: Tree, limit: number): Tree =>
  mapTree(gradient, (leaf) => clip(leaf, -limit, limit));

/** Sums gradients over micro-batches: `add(total, gradient)` leaf by leaf, for a compiled step that donates `total`. */
export const addTrees = (a: Tree, b: Tree): Tree => zipTrees([a, b], ([x, y]) => add(x!, y!));

/** Which of several optimisers, with a factor on the learning rate, updates a parameter of this name. */
export interface ParameterGroup {
  readonly matches: (name: string, parameter: Tensor) => boolean;
  readonly optimiser: Optimiser;
  /** Factor on the learning rate of the whole; 1 by default, 0 freezes. */
  readonly scale?: number;
}

/**
 * Several optimisers over one tree: each parameter goes to the first group that it matches. Throws when none does.
 *
 * @example
 * grouped([
 *   { matches: (name, p) => p.rank >= 2, optimiser: adamw({ weightDecay: 0.1 }) },
 *   { matches: () => true, optimiser: adamw({ weightDecay: 0 }) },
 * ])
 */
export function grouped(groups: readonly ParameterGroup[]): Optimiser {
  const partition = (tree: Tree, names: ReadonlyMap<string, number>): Record<string, Tensor>[] => {
    const parts: Record<string, Tensor>[] = groups.map(() => ({}));
    mapTree(tree, (leaf, name) => (parts[names.get(name)!]![name] = leaf));
    return parts;
  };
  const assign = (parameters: Tree): Map<string, number> => {
    const names = new Map<string, number>();
    mapTree(parameters, (leaf, name) => {
      const at = groups.findIndex((group) => group.matches(name, leaf));
      if (at < 0)
        throw new FiducialError(
          'engine.optimiser',
          `No parameter group takes ${name}`,
          'Add a last group that matches everything.',
        );
      names.set(name, at);
      return leaf;
    });
    return names;
  };
  return {
    name: 'grouped',
    init: (parameters) => partition(parameters, assign(parameters)).map((part, i) => groups[i]!.optimiser.init(part)),
    update: (parameters, gradient, state, learningRate) => {
      const names = assign(parameters);
      const gradients = partition(gradient, names);
      const states = state as readonly Tree[];
      const next: Record<string, Tensor> = {};
      const nextStates = partition(parameters, names).map((part, i) => {
        const { optimiser, scale = 1 } = groups[i]!;
        const rate = typeof learningRate === 'number' ? learningRate * scale : mul(learningRate, scale);
        const result = optimiser.update(part, gradients[i], states[i], rate);
        Object.assign(next, result.parameters);
        return result.state;
      });
      return { parameters: mapTree(parameters, (_, name) => next[name]!), state: nextStates };
    },
  };
}
