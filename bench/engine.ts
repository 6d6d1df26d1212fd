/**
 * The engine beside a bare ONNX Runtime session, TensorFlow.js, jax-js and PyTorch: products, small operators, steps.
 *
 * Everything is measured in this one run and takes turns. The peak is the fastest bare sgemm of the sizes 512 to 2,048,
 * and a product of that size takes its turn beside every training step. All peers train the GPT of
 * examples/transformer.ts from the same weights; a loss that differs by more than 1e-3 fails the bench.
 * Parts for `--only`: sgemm, small operators, step (0.1 M, 3.4 M, 124 M), session, recomputation.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bench, openTorch } from './engine/context.ts';
import { recomputation, tracing } from './engine/graphs.ts';
import { chains, products } from './engine/products.ts';
import { largeStep, smallStep } from './engine/steps.ts';
import { findPython, type Harness } from './harness.ts';
import { openJax } from './peers/jax.ts';
import { openTfjs } from './peers/tfjs.ts';
import { tasks } from './peers/training.ts';

export async function run(harness: Harness): Promise<void> {
  const python = findPython('torch');
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-engine-'));
  const libraries = [await openTfjs(), await openJax()];
  await using torch = python.isFound ? openTorch(python) : undefined;
  const bench: Bench = { harness, libraries, torch, python, folder, peak: { size: 1024, gigaflops: 0 } };
  try {
    await products(bench);
    if (harness.wants('small operators')) await chains(bench);
    for (const name of ['tiny', 'small'] as const) {
      if (harness.wants(`step, ${tasks[name].name}`)) await smallStep(bench, name);
    }
    if (harness.wants(`step, ${tasks.large.name}`)) await largeStep(bench);
    if (harness.wants('session')) await tracing(bench);
    if (harness.wants('recomputation')) await recomputation(bench);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
