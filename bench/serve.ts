/**
 * What the OpenAI-compatible endpoint gives at a lab size (a Llama of some 3 M parameters, random weights): tokens a
 * second over HTTP with 1 and 32 clients, time to the first token, and how long the server's own event loop stands still
 * while sessions are made in the model's worker.
 *
 * Run: npx tsx bench/serve.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openModelInWorker } from '../src/models/open/index.ts';
import { serveModels } from '../src/server/index.ts';
import { writeRandomModel } from '../test/small-model.ts';

const TOKENS = 64;

const folder = await mkdtemp(join(tmpdir(), 'fiducial-bench-'));
try {
  await writeRandomModel(join(folder, 'lab'), { width: 256, layers: 3, context: 512 });
  const openedAt = performance.now();
  const model = await openModelInWorker(join(folder, 'lab'));
  const openMs = performance.now() - openedAt;
  const server = await serveModels({ lab: model }, { port: 0 });
  const loop = monitorEventLoopDelay({ resolution: 2 });
  loop.enable();
  const cold = await client(server.url, 'first of all');
  await clients(server.url, 32, 'warm up');
  loop.disable();
  await client(server.url, 'again');

  const one = await timed(async () => [await client(server.url, 'alone'), await client(server.url, 'alone, too')]);
  const many = await timed(() => clients(server.url, 32, 'together'));
  const row = (name: string, value: string): void => console.log(`${name.padEnd(48)} ${value}`);
  row('open the model in its worker', `${openMs.toFixed(0)} ms`);
  row('first token of all, sessions made for it', `${cold.toFixed(0)} ms`);
  row("the server's event loop meanwhile, 99th, longest", `${ms(loop.percentile(99))}, ${ms(loop.max)}`);
  row(
    '1 client: tokens/s, first token',
    `${((2 * TOKENS * 1000) / one.ms).toFixed(0)}, ${median(one.firsts).toFixed(1)} ms`,
  );
  row(
    '32 clients: tokens/s, median first token',
    `${((32 * TOKENS * 1000) / many.ms).toFixed(0)}, ${median(many.firsts).toFixed(1)} ms`,
  );
  row('32 clients over 1', `${((16 * one.ms) / many.ms).toFixed(1)} times`);
  await server.close();
  await model.close();
} finally {
  await rm(folder, { recursive: true });
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

async function timed(run: () => Promise<number[]>): Promise<{ ms: number; firsts: number[] }> {
  const since = performance.now();
  const firsts = await run();
  return { ms: performance.now() - since, firsts };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function ms(nanoseconds: number): string {
  return `${(nanoseconds / 1e6).toFixed(1)} ms`;
}
