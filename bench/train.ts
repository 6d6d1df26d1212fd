/**
 * The trainer on the lab's sizes: tokens a second and the share of the peak, in turn with PyTorch over the same batches.
 *
 * A step packs texts of 20 to 50 tokens into rows of 128, takes gradients, clips and updates. PyTorch gets the same
 * weights and packed batches and does the same, eagerly; losses that differ by more than 1e-3 fail the bench. Tokens are
 * those of texts, padding not counted. Parts for `--only`: 0.3 M, 1 M, 3 M, LoRA.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FiducialError } from '../src/core/errors.ts';
import { random } from '../src/core/random.ts';
import { elementCount, releaseSessions } from '../src/engine/index.ts';
import {
  batchArrays,
  openSupervised,
  packBatch,
  packingBegins,
  peakFlops,
  type StepReport,
  type TextSource,
} from '../src/kit/training/index.ts';
import { initialiseNetwork, saveNetwork } from '../src/network/index.ts';
import { findPython, type Harness, openPeer, type Peer, type Timed } from './harness.ts';

const TIME = 128;
const ROWS = 32;
const THREADS = 2;
const BATCHES = 4;

/** As src/workbench/lab/sizes.ts has them. */
const shapes = {
  '0.3 M': { width: 64, layers: 4, inner: 176, heads: 4 },
  '1 M': { width: 128, layers: 4, inner: 344, heads: 4 },
  '3 M': { width: 128, layers: 14, inner: 344, heads: 4 },
} as const;
const VOCABULARY = 1100;

/** Texts of a lab's lengths; the tokens follow a rule, so that something can be learned. */
const stream = random('bench train');
const source: TextSource = {
  text(index) {
    const own = stream.split(index);
    const [length, start, step] = [20 + own.integer(31), own.integer(VOCABULARY), 1 + own.integer(5)];
    return { ids: Array.from({ length }, (_, t) => (start + t * step) % VOCABULARY) };
  },
};

export async function run(harness: Harness): Promise<void> {
  const python = findPython('torch');
  if (!python.isFound) harness.absent('training step, PyTorch', python.why);
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-train-bench-'));
  try {
    for (const [name, shape] of Object.entries(shapes)) {
      if (!harness.wants(name)) continue;
      await using torch = python.isFound
        ? openPeer(python.command, [fileURLToPath(new URL('peers/torch_train.py', import.meta.url)), String(THREADS)])
        : undefined;
      await trainingStep(harness, name, shape, folder, torch);
    }
    if (harness.wants('LoRA')) await lowRank(harness);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Shape = (typeof shapes)[keyof typeof shapes];

const configOf = ({ width, layers, inner, heads }: Shape) => ({
  model_type: 'llama',
  vocab_size: VOCABULARY,
  hidden_size: width,
  intermediate_size: inner,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
});

/** A step of ours: what it reported, and its time. */
function turns(step: () => Promise<StepReport | undefined>): {
  readonly body: () => Promise<Timed>;
  readonly reports: StepReport[];
} {
  const reports: StepReport[] = [];
  return {
    reports,
    async body() {
      const report = (await step())!;
      reports.push(report);
      return { elapsedMs: report.seconds * 1000 };
    },
  };
}

async function trainingStep(
  harness: Harness,
  name: string,
  shape: Shape,
  folder: string,
  torch: Peer | undefined,
): Promise<void> {
  const config = configOf(shape);
  const network = initialiseNetwork(config, random(1));
  const rate = 1e-3;
  const settings = {
    random: random(1),
    steps: 1000,
    time: TIME,
    rows: ROWS,
    learningRate: rate,
    warmup: 0,
    finalRate: 1,
  };
  const training = await openSupervised(network, source, { ...settings, weightDecay: 0.1 });
  const state = await training.begin();
  const own = turns(() => training.step(state));
  const bodies: Record<string, () => Promise<Timed>> = { fiducial: own.body };
  const losses: number[] = [];
  if (torch !== undefined) {
    const weights = join(folder, name.replaceAll(/\W/g, ''));
    await saveNetwork(weights, network, { dtype: 'F32' });
    const batches = [];
    for (let at = packingBegins; batches.length < BATCHES;) {
      const packed = (await packBatch(source, at, { rows: ROWS, time: TIME, vocabulary: VOCABULARY }))!;
      at = packed.state;
      const { arrays } = batchArrays(packed.placed, ROWS, TIME);
      const list = (key: 'tokens' | 'positions' | 'texts' | 'targets' | 'weights') => [...arrays[key].toFloat64()];
      batches.push({
        rows: ROWS,
        time: TIME,
        tokens: list('tokens'),
        positions: list('positions'),
        texts: list('texts'),
        targets: list('targets'),
        weights: list('weights'),
      });
    }
    const file = join(weights, 'model.safetensors');
    await torch.ask({ do: 'open', config, weights: file, batches, rate, weightDecay: 0.1 });
    bodies['PyTorch'] = async () => {
      const answer = await torch.ask({ do: 'step' });
      losses.push(Number(answer['loss']));
      return answer as unknown as Timed;
    };
  }
  const label = `training step, ${name}`;
  const parameters = [...network.parameters.values()].reduce((total, x) => total + elementCount(x.shape), 0);
  const note = `${(parameters / 1e6).toFixed(2)} M parameters, ${ROWS} rows of ${TIME}`;
  const runs = 12;
  if (torch === undefined) await harness.measure(label, own.body, { runs, warmup: 2, note });
  else await harness.compare(label, bodies, { runs, warmup: 2, note });
  // The first batches are the same; afterwards ours goes on through the source, and theirs begins again.
  const differences = losses.slice(0, BATCHES).map((loss, i) => Math.abs(loss - own.reports[i]!.loss));
  if (differences.length > 0)
    harness.record(`${label}, loss of PyTorch less ours`, differences, { unit: 'nats', note });
  if (Math.max(0, ...differences) > 1e-3) {
    throw new FiducialError(
      'bench.peers-disagree',
      `${name}: PyTorch has the losses ${losses.slice(0, BATCHES).join(', ')}, and we ${own.reports
        .slice(0, BATCHES)
        .map(({ loss }) => loss)
        .join(', ')}`,
      'They no longer compute the same thing: compare bench/peers/torch_train.py with src/kit/training.',
    );
  }
  await shares(harness, label, own.reports.slice(2), note);
  await releaseSessions();
}

async function shares(harness: Harness, label: string, reports: readonly StepReport[], note: string): Promise<void> {
  const filled = (reports.reduce((total, report) => total + report.filled, 0) / reports.length).toFixed(2);
  harness.record(
    `${label}, tokens`,
    reports.map(({ tokensPerSecond }) => tokensPerSecond),
    { unit: 'tokens/s', note: `${note}, ${filled} of the places filled` },
  );
  harness.record(
    `${label}, share of the peak`,
    reports.map(({ shareOfPeak }) => shareOfPeak),
    { unit: 'of 1', note: `peak ${((await peakFlops()) / 1e9).toFixed(0)} GFLOP/s, a product of 512 x 512 matrices` },
  );
}

/** The same step where only a low-rank change is trained. */
async function lowRank(harness: Harness): Promise<void> {
  const network = initialiseNetwork(configOf(shapes['1 M']), random(1));
  const settings = { random: random(1), steps: 1000, time: TIME, rows: ROWS, lora: { rank: 8, alpha: 16 } };
  const training = await openSupervised(network, source, settings);
  const state = await training.begin();
  const own = turns(() => training.step(state));
  const note = `rank 8 over 1 M, ${ROWS} rows of ${TIME}`;
  await harness.measure('training step, LoRA', own.body, { runs: 12, warmup: 2, note });
  await shares(harness, 'training step, LoRA', own.reports.slice(2), note);
  await releaseSessions();
}
