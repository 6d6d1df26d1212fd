/**
 * One step down a loss: gradients over micro-batches, clipping, AdamW; compiled once for each shape of batch.
 *
 * The loss of a step is the SUM of what its micro-batches give, so whoever writes the loss divides by what the whole
 * step holds. A mean of means, as trainers have computed it, weighs a token by how few neighbours its micro-batch has;
 * here it cannot be written by accident. Decay is for matrices alone.
 */
import { FiducialError } from '../../core/errors.ts';
import {
  addTrees,
  adamw,
  clipByGlobalNorm,
  compile,
  grouped,
  globalNorm,
  type Optimiser,
  type Tensor,
  type Tree,
  valueAndGradWithAux,
} from '../../engine/index.ts';

/** Parameters and the optimiser's state; a step takes their arrays over and leaves new ones. */
export interface DescentState {
  parameters: Tree;
  optimiser: Tree;
}

export interface DescentSettings {
  /** @default 0.9 */
  readonly beta1?: number;
  /** @default 0.999 */
  readonly beta2?: number;
  readonly epsilon?: number;
  /** AdamW's decay, of matrices. @default 0 */
  readonly weightDecay?: number;
  /** Largest global norm of a step's gradient; Infinity leaves it. @default 1 */
  readonly clip?: number;
  readonly label?: string;
}

/** What one step saw, before it moved. */
export interface Stepped<A extends Tree> {
  readonly loss: number;
  /** Of the whole step's gradient, before clipping. */
  readonly gradientNorm: number;
  /** What the loss gave beside its value, a micro-batch each. */
  readonly aside: readonly A[];
}

export interface Descent<B, A extends Tree> {
  begin(parameters: Tree): DescentState;
  /**
   * @throws FiducialError `train.diverged` when loss or gradient is no longer finite; the state then holds the step
   */
  step(state: DescentState, batches: readonly B[], learningRate: number): Promise<Stepped<A>>;
}

/**
 * @param lossOf traced: the share of the step's loss that a micro-batch has, and what to know beside it
 */
export function openDescent<B, A extends Tree>(
  lossOf: (parameters: Tree, batch: B) => { readonly loss: Tensor; readonly aside: A },
  settings: DescentSettings = {},
): Descent<B, A> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clip = 1, label = 'training' } = settings;
  const moments = { beta1, beta2, epsilon };
  const optimiser: Optimiser = grouped([
    { matches: (_, parameter) => parameter.rank >= 2, optimiser: adamw({ ...moments, weightDecay }) },
    { matches: () => true, optimiser: adamw({ ...moments, weightDecay: 0 }) },
  ]);
  const differentiate = (parameters: Tree, batch: B): { loss: Tensor; aside: A; gradient: Tree } => {
    const { value, aux, gradient } = valueAndGradWithAux((p: Tree) => {
      const { loss, aside } = lossOf(p, batch);
      return { loss, aux: aside };
    })(parameters);
    return { loss: value, aside: aux, gradient };
  };
  const update = (parameters: Tree, state: Tree, gradient: Tree, rate: Tensor | number) => {
    const clipped = clip === Infinity ? { gradient, norm: globalNorm(gradient) } : clipByGlobalNorm(gradient, clip);
    return { norm: clipped.norm, ...optimiser.update(parameters, clipped.gradient, state, rate) };
  };
  const whole = compile(
    (parameters: Tree, state: Tree, batch: B, rate: number) => {
      const { loss, aside, gradient } = differentiate(parameters, batch);
      return { loss, aside, ...update(parameters, state, gradient, rate) };
    },
    { donate: [0, 1], label: `${label}: step` },
  );
  const part = compile(differentiate, { label: `${label}: gradient` });
  const sum = compile((a: Tree, b: Tree) => addTrees(a, b), { donate: [0], label: `${label}: sum` });
  const apply = compile(
    (parameters: Tree, state: Tree, gradient: Tree, rate: number) => update(parameters, state, gradient, rate),
    { donate: [0, 1], label: `${label}: update` },
  );
  return {
    begin: (parameters) => ({ parameters, optimiser: optimiser.init(parameters) }),
    async step(state, batches, learningRate) {
      const [first, ...rest] = batches;
      if (first === undefined) throw new FiducialError('train.empty', 'a step has no batch', 'Give one or more.');
      let loss = 0;
      let norm: Tensor;
      const aside: A[] = [];
      if (rest.length === 0) {
        const result = await whole(state.parameters, state.optimiser, first, learningRate);
        loss = result.loss.item();
        aside.push(result.aside);
        norm = result.norm;
        [state.parameters, state.optimiser] = [result.parameters, result.state];
      } else {
        let gradient: Tree;
        for (const batch of batches) {
          const result = await part(state.parameters, batch);
          loss += result.loss.item();
          aside.push(result.aside);
          gradient = gradient === undefined ? result.gradient : await sum(gradient, result.gradient);
        }
        const result = await apply(state.parameters, state.optimiser, gradient, learningRate);
        norm = result.norm;
        [state.parameters, state.optimiser] = [result.parameters, result.state];
      }
      const gradientNorm = norm.item();
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        throw new FiducialError(
          'train.diverged',
          `the loss is ${loss}, and the norm of its gradient ${gradientNorm}`,
          'Lower the learning rate, lengthen the warm-up, or clip the gradient.',
        );
      }
      return { loss, gradientNorm, aside };
    },
  };
}
