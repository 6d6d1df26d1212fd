/**
 * Generation: 32 replies at once against one after another, tokens a second of prompts and replies, quantised weights.
 *
 * Weights are random and lie in a safetensors file, as a checkpoint's do: the lab's size (3 M parameters) and GPT-2's
 * (124 M). One token of one reply reads every weight once, so its limit is how fast memory is read: the figure beside
 * it is a sum over an array larger than the caches, on as many threads as the runtime uses.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '../src/core/random.ts';
import { compile, elementCount, fromFile, full, releaseSessions, sum, type Tensor } from '../src/engine/index.ts';
import { describe } from '../src/network/architecture/architectures.ts';
import { openSafetensors, writeSafetensors } from '../src/network/checkpoint/index.ts';
import { collect, type Forwardable, type GenerateRequest, Generator, quantise } from '../src/network/generate/index.ts';
import { parameterShapes } from '../src/network/parameters.ts';
import type { Harness } from './harness.ts';

const LAB = { model_type: 'gpt2', vocab_size: 1024, n_positions: 512, n_embd: 256, n_layer: 4, n_head: 8 };
const GPT2 = { model_type: 'gpt2', vocab_size: 50257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12 };

export async function run(harness: Harness): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-generate-'));
  try {
    await lab(harness, await randomCheckpoint(folder, LAB));
    await releaseSessions();
    await large(harness, await randomCheckpoint(folder, GPT2), folder);
  } finally {
    await releaseSessions();
    rmSync(folder, { recursive: true });
  }
}

type RandomModel = Forwardable & { readonly parameters: ReadonlyMap<string, Tensor> };

const REPLIES = 32;
const REPLY_TOKENS = 64;

async function lab(harness: Harness, network: Forwardable): Promise<void> {
  const requests = Array.from({ length: REPLIES }, (_, i): GenerateRequest => ({
    prompt: randomTokens(`prompt ${i}`, 24 + (i % 4) * 8, network),
    maxTokens: REPLY_TOKENS,
    temperature: 1,
    name: `reply ${i}`,
  }));
  const together = new Generator(network, { prefixCacheBytes: 0 });
  const apart = new Generator(network, { prefixCacheBytes: 0 });
  const bodies = {
    'at once': () => Promise.all(requests.map((request) => collect(together.generate(request)))),
    'one after another': async () => {
      for (const request of requests) await collect(apart.generate(request));
    },
  };
  const note = '3 M parameters, prompts of 24 to 48 tokens, 64 tokens each';
  const rows = await harness.compare('lab, 32 replies', bodies, { runs: 5, warmup: 1, note });
  const tokens = REPLIES * REPLY_TOKENS;
  for (const [i, name] of Object.keys(bodies).entries()) {
    harness.record(`lab, 32 replies, ${name}, tokens`, [(tokens / rows[i]!.figure!.median) * 1000], {
      unit: 'tokens/s',
      note,
    });
  }
  await prefill(harness, 'lab', network, 256, 16);
}

async function large(harness: Harness, network: RandomModel, folder: string): Promise<void> {
  await prefill(harness, '124 M', network, 256, 1);
  const bytesRead = await memoryBandwidth();
  harness.record('memory read', [bytesRead / 1e9], { unit: 'GB/s', note: 'sum over 512 MiB' });
  const weights = [...parameterShapes(network.description)].reduce(
    (total, [name, shape]) => total + (name.endsWith('wpe.weight') ? 0 : 4 * elementCount(shape)),
    0,
  );
  const rate = await decode(harness, '124 M, float32', network);
  harness.record('124 M, float32, share of what memory allows', [(100 * rate * weights) / bytesRead], { unit: '%' });
  const exact = await logitsOf(network);
  for (const bits of [4, 8] as const) {
    await releaseSessions();
    const file = join(folder, `${bits}-bits.safetensors`);
    const small = await quantise(network.description, network.parameters, { bits, file });
    const note = `${Math.round(small.quantisedBytes / 1e6)} MB of projections`;
    await decode(harness, `124 M, ${bits} bits`, small, note);
    const got = await logitsOf(small);
    const square = (values: Iterable<number>): number => [...values].reduce((sum, x) => sum + x * x, 0);
    const error = Math.sqrt(square(got.map((x, i) => x - exact[i]!)) / square(exact));
    harness.record(`124 M, ${bits} bits, error of logits`, [100 * error], {
      unit: '% of their root mean square',
      note: 'independent normal weights, which round worse than trained ones',
    });
  }
}

/** Logits behind a prompt. */
async function logitsOf(network: Forwardable): Promise<Float32Array> {
  let logits = new Float32Array(0);
  const keep = (_: unknown, seen: Float32Array): void => void (logits = seen.slice());
  const generator = new Generator(network, { prefixCacheBytes: 0 });
  await collect(generator.generate({ prompt: randomTokens('logits', 24, network), maxTokens: 1, processors: [keep] }));
  return logits;
}

/** Tokens a second of one reply behind a short prompt. */
async function decode(harness: Harness, name: string, network: Forwardable, note = ''): Promise<number> {
  const generator = new Generator(network, { prefixCacheBytes: 0 });
  const prompt = randomTokens('decode', 8, network);
  const count = 24;
  // A token takes a step, and the prompt takes one too: the difference of two lengths is that of steps alone.
  const time = async (maxTokens: number): Promise<number> => {
    const startMs = performance.now();
    await collect(generator.generate({ prompt, maxTokens }));
    return performance.now() - startMs;
  };
  await time(2);
  await time(count);
  const rates: number[] = [];
  for (let i = 0; i < 5; i++) rates.push((1000 * (count - 2)) / ((await time(count)) - (await time(2))));
  const row = harness.record(`${name}, decode, one reply`, rates, { unit: 'tokens/s', note });
  return row.figure!.median;
}

async function prefill(
  harness: Harness,
  name: string,
  network: Forwardable,
  length: number,
  rows: number,
): Promise<void> {
  const generator = new Generator(network, { prefixCacheBytes: 0, maxPrefillTokens: length * rows });
  const prompts = Array.from({ length: rows }, (_, i) => randomTokens(`prefill ${i}`, length, network));
  const body = (): Promise<unknown> =>
    Promise.all(prompts.map((prompt) => collect(generator.generate({ prompt, maxTokens: 1 }))));
  const row = await harness.measure(`${name}, prefill ${rows} x ${length}`, body, { runs: 5 });
  harness.record(`${name}, prefill ${rows} x ${length}, tokens`, [(1000 * rows * length) / row.figure!.median], {
    unit: 'tokens/s',
  });
}

/** Bytes a second at which a large array can be read. */
async function memoryBandwidth(): Promise<number> {
  const array = full([64, 2 ** 21], 1);
  const total = compile((x: Tensor) => sum(x, { axes: 1 }));
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    const startMs = performance.now();
    await total(array);
    times.push(performance.now() - startMs);
  }
  return (array.byteLength / Math.min(...times)) * 1000;
}

const randomTokens = (name: string, length: number, { description }: Forwardable): number[] => {
  const stream = random(1).split(name);
  return Array.from({ length }, () => stream.integer(description.vocabulary));
};

/** A model whose random weights lie in a file, as a checkpoint's do. */
async function randomCheckpoint(folder: string, config: { readonly [key: string]: unknown }): Promise<RandomModel> {
  const description = describe(config);
  const stream = random(1).split('weights');
  const path = join(folder, `${description.width}.safetensors`);
  const tensors = [...parameterShapes(description)].map(([name, shape]) => {
    const data = new Float32Array(elementCount(shape));
    if (shape.length === 1) data.fill(name.endsWith('weight') ? 1 : 0);
    else stream.split(name).fillNormal(data, 0, 1 / Math.sqrt(description.width));
    return { name, dtype: 'F32' as const, shape: [...shape], data };
  });
  await writeSafetensors(path, tensors);
  const file = await openSafetensors(path);
  const parameters = new Map(
    [...file.tensors].map(([name, { byteOffset, byteLength, shape }]) => [
      name,
      fromFile({ path, byteOffset, byteLength }, shape, 'float32'),
    ]),
  );
  return {
    description,
    parameters,
    prepack: true,
    forwardOptions: () => ({ weights: (name) => parameters.get(name)! }),
  };
}
