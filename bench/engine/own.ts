/**
 * The engine's own side of its bench: the training step, compiled as a user would compile it, with parameters and
 * optimiser state given to the next step, so that they stay where they are.
 */
import { initialise, logits, type Parameters } from '../../examples/transformer.ts';
import {
  adamw,
  checkpoint,
  compile,
  type Compiled,
  crossEntropy,
  mean,
  tensor,
  type Tensor,
  treeLeaves,
  type Tree,
  valueAndGrad,
} from '../../src/engine/index.ts';
import { adamwConstants, type ReadyStep, tokensOf, type TrainingTask } from '../peers/training.ts';

export interface OwnTraining extends ReadyStep {
  /** As they are before the next step. */
  parameters(): Parameters;
  /** Traces the step into a program that is not there yet; the bytes are those of its ONNX model. */
  trace(): { readonly traceMs: number; readonly bytes: Uint8Array };
}

type Step = Compiled<readonly [Tree, Tree, Tensor, Tensor, number], { loss: Tensor; parameters: Tree; state: Tree }>;

/**
 * @param isRecomputed blocks are computed again in the backward pass instead of kept
 */
export function ownTraining(task: TrainingTask, { isRecomputed = false } = {}): OwnTraining {
  const { shape, batch, time } = task;
  const { rate, ...constants } = adamwConstants;
  const optimiser = adamw(constants);
  let parameters: Tree = initialise(shape, 1);
  let state = optimiser.init(parameters);
  const { tokens, targets } = tokensOf(task);
  const inputs = [tokens, targets].map((data) => tensor(data, { shape: [batch, time] })) as [Tensor, Tensor];
  const around = isRecomputed ? checkpoint : undefined;
  const makeStep = (): Step =>
    compile(
      (p: Tree, s: Tree, x: Tensor, y: Tensor, learningRate: number) => {
        const loss = (q: Tree): Tensor => mean(crossEntropy(logits(q as Parameters, shape, x, around), y).loss);
        const { value, gradient } = valueAndGrad(loss)(p);
        return { loss: value, ...optimiser.update(p, gradient, s, learningRate) };
      },
      { donate: [0, 1], label: `step ${task.name}` },
    );
  const step = makeStep();
  return {
    parameters: () => parameters as Parameters,
    trace() {
      const begin = performance.now();
      const { bytes } = makeStep().program(parameters, state, ...inputs, rate);
      return { traceMs: performance.now() - begin, bytes };
    },
    async step() {
      const result = await step(parameters, state, ...inputs, rate);
      ({ parameters, state } = result);
      return result.loss.item();
    },
    release: () => [...treeLeaves(parameters), ...treeLeaves(state)].forEach((leaf) => leaf.dispose()),
  };
}
