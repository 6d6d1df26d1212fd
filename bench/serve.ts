/**
 * What the OpenAI-compatible endpoint gives at a lab size (a Llama of some 3 M parameters, random weights): tokens a
 * second over HTTP with 1 and 32 clients, time to the first token, and how long the server's own event loop stands still
 * while sessions are made in the model's worker.
 *
 * Clients and server share one process here, so the event loop's delay holds what the clients do as well.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openModelInWorker } from '../src/models/open/index.ts';
import { serveModels } from '../src/server/index.ts';
import { writeRandomModel } from '../test/small-model.ts';
import type { Harness } from './harness.ts';

const TOKENS = 64;

export async function run(harness: Harness): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fiducial-bench-'));
  try {
    await writeRandomModel(join(folder, 'lab'), { width: 256, layers: 3, context: 512 });
    await serve(harness, join(folder, 'lab'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function serve(harness: Harness, folder: string): Promise<void> {
  const record = (name: string, samples: readonly number[], unit: 'ms' | 'tokens/s'): void => {
    harness.record(`serve, ${name}`, [...samples], { unit });
  };
  const since = performance.now();
  const model = await openModelInWorker(folder);
  record('open in a worker', [performance.now() - since], 'ms');
  const server = await serveModels({ lab: model }, { port: 0 });
  // What is loaded at the first request of all must not count as standing still.
  await (await fetch(`${server.url}/models`)).arrayBuffer();
  const loop = monitorEventLoopDelay({ resolution: 2 });
  loop.enable();
  record('first token while sessions are made', [await client(server.url, 'first of all')], 'ms');
  loop.disable();
  record('event loop meanwhile, 99th percentile', [loop.percentile(99) / 1e6], 'ms');
  record('event loop meanwhile, longest', [loop.max / 1e6], 'ms');
  await clients(server.url, 32, 'warm up');

  const rates: Record<number, number[]> = { 1: [], 32: [] };
  const firsts: Record<number, number[]> = { 1: [], 32: [] };
  for (let turn = 0; turn < 5; turn++) {
    for (const count of [1, 32]) {
      const began = performance.now();
      firsts[count]!.push(...(await clients(server.url, count, `turn ${turn} of ${count}`)));
      rates[count]!.push((count * TOKENS * 1000) / (performance.now() - began));
    }
  }
  for (const count of [1, 32]) {
    record(`${count} clients`, rates[count]!, 'tokens/s');
    record(`${count} clients, first token`, firsts[count]!, 'ms');
  }
  await server.close();
  await model.close();
}

function clients(url: string, count: number, text: string): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => client(url, `${text} ${i}`)));
}

/** One streamed reply. @returns milliseconds to its first text */
async function client(url: string, content: string): Promise<number> {
  const since = performance.now();
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content }], max_tokens: TOKENS, stream: true, seed: 1 }),
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let first = NaN;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return first;
    if (Number.isNaN(first) && /"content":"[^"]/.test(value)) first = performance.now() - since;
  }
}
