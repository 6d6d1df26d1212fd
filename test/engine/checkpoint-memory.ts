/**
 * Run by checkpoint-memory.test.ts in a process of its own: a few training steps of a deep transformer whose
 * activations outweigh its weights, with or without recomputed blocks; prints the peak of resident memory over what
 * the process held before, in bytes, and the losses.
 */
import { readFileSync } from 'node:fs';
import { logits, initialise, type Parameters, type TransformerShape } from '../../examples/transformer.ts';
import {
  checkpoint,
  compile,
  crossEntropy,
  mean,
  sgd,
  type Tensor,
  tensor,
  type Tree,
  valueAndGrad,
} from '../../src/engine/index.ts';

const recomputes = process.argv[2] === 'checkpoint';
const shape: TransformerShape = { vocabulary: 64, context: 128, width: 128, layers: 12, heads: 4 };
const [batch, time] = [16, 128];
const optimiser = sgd();
const around = recomputes ? (run: (x: Tensor) => Tensor) => checkpoint(run) : undefined;
const step = compile(
  (p: Tree, tokens: Tensor) => {
    const loss = (q: Tree): Tensor => mean(crossEntropy(logits(q as Parameters, shape, tokens, around), tokens).loss);
    const { value, gradient } = valueAndGrad(loss)(p);
    return { loss: value, parameters: optimiser.update(p, gradient, {}, 0.1).parameters };
  },
  { donate: [0] },
);
const tokens = tensor(
  Int32Array.from({ length: batch * time }, (_, i) => (i * 13) % 64),
  { shape: [batch, time] },
);
let parameters: Tree = initialise(shape, 1);
void step.program(parameters, tokens).bytes;
const before = process.memoryUsage.rss();
const losses: number[] = [];
for (let i = 0; i < 2; i++) {
  const result = await step(parameters, tokens);
  losses.push(result.loss.item());
  ({ parameters } = result);
}
// The kernel's own high-water mark; elsewhere the largest that Node saw.
const peak =
  process.platform === 'linux'
    ? Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
    : process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ bytes: peak - before, losses }));
