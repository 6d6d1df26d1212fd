/**
 * Open models beside PyTorch and a bare ONNX Runtime session: forward, gradients, generation, taps, memory.
 *
 * Two shapes with random weights, GPT-2 small (124 M) and a Qwen2 of 0.5 B, in folders as a user would have them. The
 * peak is the fastest bare sgemm of the sizes 512 to 2,048 of this run. Outputs are compared before times are taken.
 * Parts for `--only`: forward 124 M, forward 0.5 B, forward and backward, generate, taps, memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { noteAbsentTorch, THREADS } from './engine/context.ts';
import { products } from './engine/products.ts';
import { findPython, type Harness, openPeer } from './harness.ts';
import { type ModelName, labels, writeModel } from './network/models.ts';
import { forwardPass, generation, gradientPass, memory, type ModelBench, taps } from './network/parts.ts';

const program = fileURLToPath(new URL('peers/torch_network.py', import.meta.url));

export async function run(harness: Harness): Promise<void> {
  const python = findPython('torch');
  const temporary = mkdtempSync(join(tmpdir(), 'fiducial-network-'));
  const peak = { size: 1024, gigaflops: 0 };
  try {
    const shared = { harness, libraries: [], torch: undefined, python, peak };
    await products({ ...shared, folder: temporary });
    for (const name of ['gpt2', 'qwen2'] satisfies ModelName[]) {
      const parts = partsOf(name).filter(({ label }) => harness.wants(label));
      if (parts.length === 0) continue;
      const folder = await writeModel(temporary, name);
      // A peer of its own for each model: PyTorch keeps what it once held.
      await using torch = python.isFound ? openPeer(python.command, [program, String(THREADS)]) : undefined;
      if (torch !== undefined) await torch.ask({ do: 'open', folder });
      const bench: ModelBench = { ...shared, torch, name, folder };
      for (const { label, work } of parts) {
        await work(bench, temporary);
        if (torch === undefined && !/^(taps|memory)/.test(label)) noteAbsentTorch(bench, label);
      }
      rmSync(folder, { recursive: true });
    }
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

interface Part {
  readonly label: string;
  readonly work: (bench: ModelBench, temporary: string) => Promise<void>;
}

function partsOf(name: ModelName): Part[] {
  const generate: Part = { label: `generate, ${labels[name]}`, work: (bench) => generation(bench, 128, 32) };
  if (name === 'qwen2') return [{ label: 'forward, 0.5 B', work: (bench) => forwardPass(bench, 1, 128) }, generate];
  return [
    { label: 'forward, 124 M', work: (bench) => forwardPass(bench, 8, 128) },
    { label: 'forward and backward, 124 M', work: (bench) => gradientPass(bench, 8, 128) },
    generate,
    { label: 'taps, 124 M', work: (bench) => taps(bench, 4, 128) },
    { label: 'memory, 124 M', work: (bench, temporary) => memory(bench, temporary) },
  ];
}
