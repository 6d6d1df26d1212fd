/**
 * Training steps: forward, backward and AdamW of the GPT of examples/transformer.ts, in turn with every peer that can
 * train the shape, and with a bare product, so that shares of the peak are formed pair by pair.
 */
import { join } from 'node:path';
import { stepFlops } from '../../examples/transformer.ts';
import { FiducialError } from '../../src/core/errors.ts';
import { writeSafetensors } from '../../src/network/checkpoint/index.ts';
import { type Body, type Harness, type Peer, type Timed } from '../harness.ts';
import {
  adamwConstants,
  type NamedValues,
  type ReadyStep,
  type TaskName,
  tasks,
  tokensOf,
  valuesOf,
} from '../peers/training.ts';
import { type Bench, noteAbsentTorch, openEngine, openTorch, peakBody, settled } from './context.ts';
import { ownTraining } from './own.ts';

/** Losses of peers may differ by this much: kernels sum in other orders. */
const LOSS_TOLERANCE = 1e-3;

/** Shares of the peak: of the product in the same turn, and of the best of the whole run. */
function recordShares(
  bench: Bench,
  name: TaskName,
  stepMs: readonly number[],
  products: { timesMs: number[]; flops: number },
): void {
  const { shape, batch, time, name: label } = tasks[name];
  const flops = stepFlops(shape, batch, time);
  const gigaflops = stepMs.map((ms) => flops / ms / 1e6);
  const { harness, peak } = bench;
  harness.record(`step, ${label}, fiducial`, gigaflops, { unit: 'GFLOP/s' });
  const beside = gigaflops.map((own, i) => own / (products.flops / products.timesMs[i]! / 1e6));
  harness.record(`step, ${label}, share of the product in the same turn`, beside, { unit: 'of 1' });
  harness.record(
    `step, ${label}, share of the peak`,
    gigaflops.map((own) => own / peak.gigaflops),
    { unit: 'of 1' },
  );
}

/** The losses of the first steps, which must agree with ours. */
function checkLosses(harness: Harness, label: string, losses: Readonly<Record<string, readonly number[]>>): void {
  const { fiducial, ...others } = losses;
  for (const [peer, own] of Object.entries(others)) {
    const count = Math.min(own.length, 3);
    const differences = own.slice(0, count).map((loss, i) => Math.abs(loss - fiducial![i]!));
    const note = `first losses ${own
      .slice(0, count)
      .map((loss) => loss.toFixed(4))
      .join(', ')}`;
    harness.record(`step, ${label}, loss of ${peer} less ours`, differences, { unit: 'nats', note });
    if (Math.max(...differences) <= LOSS_TOLERANCE) continue;
    throw new FiducialError(
      'bench.peers-disagree',
      `${label}: ${peer} has the losses ${own.slice(0, count).join(', ')}, and we ${fiducial!.slice(0, count).join(', ')}`,
      'They no longer compute the same thing: compare bench/peers with examples/transformer.ts.',
    );
  }
}

/** A step of a shape that every peer can train, in this process where the peer allows it. */
export async function smallStep(bench: Bench, name: 'tiny' | 'small'): Promise<void> {
  const { harness, libraries, torch } = bench;
  const task = tasks[name];
  const label = `step, ${task.name}`;
  const own = ownTraining(task);
  const parameters = valuesOf(own.parameters());
  const steps: Record<string, () => Promise<number | (Timed & { loss: number })>> = { fiducial: () => own.step() };
  const ready: ReadyStep[] = [own];
  for (const library of libraries) {
    const training = library.training(task, parameters);
    ready.push(training);
    steps[library.name] = () => training.step();
  }
  if (torch !== undefined) {
    await openTask(torch, name, await saveWeights(bench, name, parameters));
    steps['PyTorch'] = async () => (await torch.ask({ do: 'step' })) as unknown as Timed & { loss: number };
  }
  const losses: Record<string, number[]> = {};
  const products = await peakBody(bench);
  const ours: number[] = [];
  const bodies: Record<string, Body> = {};
  for (const [peer, step] of Object.entries(steps)) {
    losses[peer] = [];
    const turn = settled(async () => {
      const result = await step();
      losses[peer]!.push(typeof result === 'number' ? result : result.loss);
      return typeof result === 'number' ? undefined : { elapsedMs: result.elapsedMs };
    });
    bodies[peer] = async () => {
      const timed = await turn.body();
      if (peer !== 'fiducial') return timed;
      ours.push(timed.elapsedMs);
      await products.body();
      return timed;
    };
  }
  const warmup = name === 'tiny' ? 3 : 2;
  const note = `batch ${task.batch} x ${task.time}`;
  await harness.compare(label, bodies, { runs: name === 'tiny' ? 20 : 6, warmup, note });
  checkLosses(harness, task.name, losses);
  recordShares(bench, name, ours.slice(warmup), { flops: products.flops, timesMs: products.timesMs.slice(warmup) });
  for (const one of ready) one.release();
  await products.release();
  noteAbsentTorch(bench, label);
}

/** The 124 M shape: each side in a process of its own, whose memory is then its own too. */
export async function largeStep(bench: Bench): Promise<void> {
  const { harness, python, libraries } = bench;
  const task = tasks.large;
  const label = `step, ${task.name}`;
  const weights = join(bench.folder, 'large.safetensors');
  await using own = openEngine();
  await own.ask({ do: 'open', task: 'large', weights });
  await using torch = python.isFound ? openTorch(python) : undefined;
  if (torch !== undefined) await openTask(torch, 'large', weights);
  const products = await peakBody(bench);
  const losses: Record<string, number[]> = { fiducial: [] };
  const ours: number[] = [];
  const memory: Record<string, number> = {};
  const turn =
    (name: string, peer: Peer): Body =>
    async () => {
      const answer = (await peer.ask({ do: 'step' })) as unknown as Timed & { loss: number };
      (losses[name] ??= []).push(answer.loss);
      memory[name] = answer.residentBytes!;
      if (name === 'fiducial') {
        ours.push(answer.elapsedMs);
        await products.body();
      }
      return { elapsedMs: answer.elapsedMs };
    };
  const bodies: Record<string, Body> = { fiducial: turn('fiducial', own) };
  if (torch !== undefined) bodies['PyTorch'] = turn('PyTorch', torch);
  const note = `batch ${task.batch} x ${task.time}, parameters resident`;
  // The arena grows, and is first touched, over three steps.
  const warmup = 3;
  const options = { runs: 5, warmup, isElsewhere: true, note };
  if (torch === undefined) await harness.measure(`${label}, fiducial`, bodies['fiducial']!, options);
  else await harness.compare(label, bodies, options);
  checkLosses(harness, task.name, losses);
  recordShares(bench, 'large', ours.slice(warmup), {
    flops: products.flops,
    timesMs: products.timesMs.slice(warmup),
  });
  for (const [name, bytes] of Object.entries(memory)) {
    harness.record(`${label}, peak resident memory of the process, ${name}`, [bytes], { unit: 'bytes' });
  }
  await products.release();
  noteAbsentTorch(bench, label);
  for (const { name } of libraries) harness.absent(`${label}, ${name}`, LARGE_IN_JAVASCRIPT[name]!);
}

/** What came of it when it was tried. */
const LARGE_IN_JAVASCRIPT: Readonly<Record<string, string>> = {
  tfjs: 'tried: its backend aborts in a matrix product, out of the memory that its module may have (2 GiB)',
  'jax-js': 'tried: it ends with "Allocation exceeds the 4 GiB memory32 limit"',
};

async function openTask(torch: Peer, name: TaskName, weights: string): Promise<void> {
  const { shape, batch, time } = tasks[name];
  const { tokens, targets } = tokensOf(tasks[name]);
  await torch.ask({
    do: 'open',
    shape: { ...shape },
    batch,
    time,
    weights,
    tokens: [...tokens],
    targets: [...targets],
    ...adamwConstants,
  });
}

async function saveWeights({ folder }: Bench, name: TaskName, parameters: readonly NamedValues[]): Promise<string> {
  const path = join(folder, `${name}.safetensors`);
  const tensors = parameters.map(({ name: parameter, shape, values }) => ({
    name: parameter,
    dtype: 'F32' as const,
    shape,
    data: values,
  }));
  await writeSafetensors(path, tensors);
  return path;
}
