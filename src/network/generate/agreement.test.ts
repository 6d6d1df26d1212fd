/** Generation with a cache, in batches and with shared beginnings, held against recomputation of the whole text. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { compile, fromData, releaseSessions, type Tensor } from '../../engine/index.ts';
import { forward } from '../forward.ts';
import type { Forwardable } from './forwardable.ts';
import { Generator, type GeneratorOptions } from './generator.ts';
import { RANDOM_CONFIGURATIONS, randomModel } from './random-model.ts';
import type { TokenEvent } from './reply.ts';
import type { GenerateRequest } from './request.ts';
import { argMax, topTokens } from './sampler.ts';

/** Logits behind a text [vocabulary], by one pass over all of it, without cache, batch or prefix. */
function recompute(model: Forwardable, padded: number): (text: readonly number[]) => Promise<Float32Array> {
  const run = compile(
    (tokens: Tensor, positions: Tensor, logitsAt: Tensor) =>
      forward(model.description, { tokens, positions, logitsAt }, model.forwardOptions()).logits!,
    { label: 'recompute' },
  );
  return async (text) => {
    const int = (fill: (at: number) => number): Tensor =>
      fromData(
        Int32Array.from({ length: padded }, (_, i) => fill(i)),
        [1, padded],
        'int32',
      );
    const logits = await run(
      int((i) => text[i] ?? 0),
      int((i) => (i < text.length ? i : -1)),
      fromData(Int32Array.of(text.length - 1), [1, 1], 'int32'),
    );
    return logits.data as Float32Array;
  };
}

interface Recorded {
  readonly ids: number[];
  /** Logits behind the prompt and each token but the last. */
  readonly logits: Float32Array[];
  readonly events: TokenEvent[];
}

/** Runs a request and keeps the logits that it saw. */
async function record(generator: Generator, request: GenerateRequest): Promise<Recorded> {
  const logits: Float32Array[] = [];
  const events: TokenEvent[] = [];
  const processors = [(_: unknown, seen: Float32Array) => void logits.push(seen.slice())];
  for await (const event of generator.generate({ ...request, processors })) events.push(event);
  return { ids: events.flatMap((event) => (event.type === 'token' ? [event.id] : [])), logits, events };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

const tokensOf = (name: string, length: number, vocabulary = 61): number[] => {
  const stream = random(5).split(name);
  return Array.from({ length }, () => stream.integer(vocabulary));
};

/** Logits agree to rounding, and so do choices wherever the best lies clearly above the second. */
async function expectRecomputed(
  model: Forwardable,
  request: GenerateRequest,
  got: Recorded,
  padded = 64,
): Promise<void> {
  const again = recompute(model, padded);
  const text = [...request.prompt];
  for (const [i, id] of got.ids.entries()) {
    const expected = await again(text);
    expect(largestDifference(got.logits[i]!, expected), `token ${i}`).toBeLessThan(2e-4);
    const [first, second] = topTokens(expected, 2);
    if (first!.logprob - second!.logprob > 1e-3) expect(id, `token ${i}`).toBe(argMax(expected));
    text.push(id);
  }
}

const noSharing: GeneratorOptions = { prefixCacheBytes: 0 };

beforeEach(releaseSessions);
afterAll(releaseSessions);

describe.each(Object.entries(RANDOM_CONFIGURATIONS))('%s', (_, config) => {
  const model = randomModel(config);
  it('gives token by token what recomputation gives, alone', async () => {
    const request = { prompt: tokensOf('alone', 11), maxTokens: 24 };
    const got = await record(new Generator(model, noSharing), request);
    expect(got.ids).toHaveLength(24);
    await expectRecomputed(model, request, got);
  });

  it('gives it in a batch of different lengths, with rows that join and leave and shared beginnings', async () => {
    const shared = tokensOf('shared', 13);
    const requests = [3, 20, 7, 5, 29, 1].map((length, i): GenerateRequest => ({
      prompt: i % 2 === 0 ? tokensOf(`prompt ${i}`, length) : [...shared, ...tokensOf(`prompt ${i}`, length)],
      maxTokens: 3 + 4 * (i % 4),
    }));
    const generator = new Generator(model, { maxRows: 4 });
    const all = await Promise.all(requests.map((request) => record(generator, request)));
    for (const [i, request] of requests.entries()) {
      expect(all[i]!.ids).toHaveLength(request.maxTokens!);
      await expectRecomputed(model, request, all[i]!);
    }
    const cached = all.map(({ events }) => {
      const end = events.at(-1)!;
      return end.type === 'end' ? end.cachedTokens : -1;
    });
    expect(cached.some((count) => count > 0)).toBe(true);
  });
});

describe('long texts', () => {
  it('are computed in pieces, outgrow the cache, and leave their neighbours alone', async () => {
    const model = randomModel({ ...RANDOM_CONFIGURATIONS.mistral, max_position_embeddings: 512, sliding_window: 40 });
    const requests = [300, 58, 2, 250].map((length, i): GenerateRequest => ({
      prompt: tokensOf(`long ${i}`, length),
      maxTokens: 12,
    }));
    const generator = new Generator(model);
    const [, ...others] = requests;
    // The short ones are under way when the long one comes.
    const under = others.map((request) => record(generator, request));
    await new Promise((resolve) => setTimeout(resolve, 1));
    const all = await Promise.all([record(generator, requests[0]!), ...under]);
    for (const [i, request] of requests.entries()) await expectRecomputed(model, request, all[i]!, 512);
    // A text that begins like one that is finished, and goes on otherwise in a piece of its own.
    const next = { prompt: [...requests[0]!.prompt.slice(0, 290), ...tokensOf('other', 30)], maxTokens: 4 };
    const got = await record(generator, next);
    const end = got.events.at(-1)!;
    expect(end.type === 'end' && end.cachedTokens).toBe(290);
    await expectRecomputed(model, next, got, 512);
  });
});
