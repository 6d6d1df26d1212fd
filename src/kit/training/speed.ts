/**
 * How fast training is, and how fast this machine could be: floating-point operations of the matrix products of a
 * training step, and of a bare product of large matrices in the same runtime. Figures of this machine: for progress and
 * benches, never for outcomes.
 */
import { compile, matmul, tensor } from '../../engine/index.ts';
import type { Description } from '../../network/index.ts';

export interface StepSize {
  /** Places of a batch, padding included. */
  readonly cells: number;
  /** Places in a row: what each token attends over. */
  readonly time: number;
  /** Places at which logits are computed. */
  readonly logits: number;
}

/**
 * Operations of the matrix products of forward and backward. A trained weight costs three products (forward, gradient
 * of inputs, gradient of weights), a frozen one two.
 */
export function stepFlops(d: Description, { cells, time, logits }: StepSize, isFrozen: boolean): number {
  const { width, heads, keyHeads, headWidth, innerWidth, layers, vocabulary } = d;
  const isGated = 'gate' in d.block(0).mlp || 'gateUp' in d.block(0).mlp;
  const inAttention = width * (heads + 2 * keyHeads) * headWidth + heads * headWidth * width;
  const inMlp = (isGated ? 3 : 2) * width * innerWidth;
  const products = 2 * (cells * layers * (inAttention + inMlp) + logits * vocabulary * width);
  const attention = 2 * cells * layers * 2 * time * heads * headWidth;
  return (isFrozen ? 2 : 3) * products + 3 * attention;
}

let measured: Promise<number> | undefined;

/** Operations a second of a product of 512 x 512 matrices, the best of twelve; measured once a process. */
export function peakFlops(): Promise<number> {
  measured ??= (async () => {
    const size = 512;
    const a = tensor(new Float32Array(size * size).fill(0.5), { shape: [size, size] });
    const product = compile(matmul, { label: 'peak' });
    let bestMs = Infinity;
    for (let i = 0; i < 12; i++) {
      const begin = performance.now();
      await product(a, a);
      bestMs = Math.min(bestMs, performance.now() - begin);
    }
    return (2 * size ** 3) / (bestMs / 1000);
  })();
  return measured;
}
