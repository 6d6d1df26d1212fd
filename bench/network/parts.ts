/**
 * The parts of the network's bench: forward, gradient, generation, taps, memory. Each takes turns with the same work
 * in PyTorch and, where it is a plain forward pass, in a bare session; outputs are compared before a time is believed.
 */
import { fileURLToPath } from 'node:url';
import { FiducialError } from '../../src/core/errors.ts';
import {
  compile,
  type Compiled,
  crossEntropy,
  mean,
  narrow,
  releaseSessions,
  tensor,
  type Tensor,
  valueAndGrad,
} from '../../src/engine/index.ts';
import { Generator } from '../../src/network/generate/index.ts';
import { forward, Network, plainPositions, sitesOf } from '../../src/network/index.ts';
import { asked, type Bench, settled } from '../engine/context.ts';
import { type Body, openPeer, type Peer } from '../harness.ts';
import { bareTensor } from '../peers/bare.ts';
import { configs, forwardFlops, labels, type ModelName, parameterCount, tokenIds, writeModel } from './models.ts';
import { openPlain } from './plain.ts';

/** What the parts of one model share. */
export interface ModelBench extends Bench {
  readonly name: ModelName;
  readonly folder: string;
}

/** Outputs of peers may differ by this much. */
const TOLERANCE = 1e-3;

function requireNear(what: string, own: readonly number[], other: readonly number[]): void {
  const worst = Math.max(...own.map((value, i) => Math.abs(value - (other[i] ?? NaN))));
  if (worst <= TOLERANCE) return;
  throw new FiducialError(
    'bench.peers-disagree',
    `${what}: ${own.slice(0, 4).join(', ')} here and ${other.slice(0, 4).join(', ')} there`,
    'They no longer compute the same thing: compare bench/peers and bench/network with src/network.',
  );
}

type Pass = Compiled<readonly [Tensor], Tensor>;

/** The forward pass as a compiled function of a user's own: logits at every position. */
function ownForward(network: Network, prepack: boolean): Pass {
  return compile(
    (ids: Tensor) => {
      const [batch, time] = ids.shape as [number, number];
      const positions = plainPositions(batch, time);
      return forward(network.description, { tokens: ids, positions }, network.forwardOptions()).logits!;
    },
    { prepack, label: `forward${prepack ? ', prepacked' : ''}` },
  );
}

/** Forward with logits at every position. */
export async function forwardPass(bench: ModelBench, batch: number, time: number): Promise<void> {
  const { harness, name, torch, peak } = bench;
  const label = `forward, ${labels[name]}`;
  const network = await Network.open(bench.folder);
  const ids = tokenIds(name, batch * time);
  const input = tensor(ids, { shape: [batch, time] });
  const plain = await openPlain(name, network, batch, time);
  const feeds = [bareTensor(ids, [batch, time])];
  const passes = { fiducial: ownForward(network, true), 'without prepacking': ownForward(network, false) };
  const own = settled(() => passes.fiducial(input));
  const bodies: Record<string, Body> = {
    fiducial: own.body,
    'without prepacking': settled(() => passes['without prepacking'](input)).body,
    'bare session': settled(() => plain.run(feeds)).body,
  };
  const request = { do: 'forward', batch, tokens: [...ids] };
  if (torch !== undefined) bodies['PyTorch'] = () => asked(torch, request);

  const lastOf = (data: Float32Array): number[] => {
    const from = data.length - configs[name].vocab_size;
    return [...data.subarray(from, from + 8)];
  };
  const logits = lastOf((await passes.fiducial(input)).data as Float32Array);
  requireNear(`${label}, bare session`, logits, lastOf(Object.values(await plain.run(feeds))[0]!.data as Float32Array));
  if (torch !== undefined) requireNear(`${label}, PyTorch`, logits, (await torch.ask(request))['logits'] as number[]);

  const warmup = 1;
  const note = `batch ${batch} x ${time}, logits at every position`;
  await harness.compare(label, bodies, { runs: name === 'gpt2' ? 6 : 4, warmup, note });
  const times = own.timesMs.slice(warmup);
  const flops = forwardFlops(name, batch, time);
  harness.record(
    `${label}, fiducial`,
    times.map((ms) => (batch * time * 1000) / ms),
    { unit: 'tokens/s' },
  );
  harness.record(
    `${label}, share of the peak`,
    times.map((ms) => flops / ms / 1e6 / peak.gigaflops),
    { unit: 'of 1' },
  );
  await plain.release();
  await releaseSessions();
}

/** Forward and backward: the gradient of the mean loss by every parameter. */
export async function gradientPass(bench: ModelBench, batch: number, time: number): Promise<void> {
  const { harness, name, torch, peak } = bench;
  const label = `forward and backward, ${labels[name]}`;
  const network = await Network.open(bench.folder);
  const parameters = Object.fromEntries(network.parameters);
  const ids = tokenIds(name, batch * time);
  const input = tensor(ids, { shape: [batch, time] });
  const make = (prepack: boolean): ((x: Tensor) => Promise<{ value: Tensor; gradient: Record<string, Tensor> }>) => {
    const both = compile(
      (p: Record<string, Tensor>, x: Tensor) =>
        valueAndGrad((q: Record<string, Tensor>) => {
          const options = { weights: (parameter: string) => q[parameter]! };
          const positions = plainPositions(batch, time);
          const { logits } = forward(network.description, { tokens: x, positions }, options);
          return mean(crossEntropy(narrow(logits!, 1, 0, time - 1), narrow(x, 1, 1, time)).loss);
        })(p),
      { prepack, label: 'gradient' },
    );
    return (x) => both(parameters, x);
  };
  const [prepacked, plain] = [make(true), make(false)];
  const own = settled(() => prepacked(input));
  const bodies: Record<string, Body> = {
    fiducial: own.body,
    'without prepacking': settled(() => plain(input)).body,
  };
  const request = { do: 'gradient', batch, tokens: [...ids] };
  if (torch !== undefined) bodies['PyTorch'] = () => asked(torch, request);
  const { value, gradient } = await prepacked(input);
  const positions = gradient['transformer.wpe.weight']!.data as Float32Array;
  const largest = positions.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (torch !== undefined) {
    const theirs = await torch.ask(request);
    requireNear(`${label}, PyTorch`, [value.item(), largest], [Number(theirs['loss']), Number(theirs['largest'])]);
  }
  const note = `batch ${batch} x ${time}, gradient of every parameter`;
  await harness.compare(label, bodies, { runs: 3, warmup: 1, note });
  const times = own.timesMs.slice(1);
  const flops = 3 * forwardFlops(name, batch, time);
  harness.record(
    `${label}, fiducial`,
    times.map((ms) => (batch * time * 1000) / ms),
    { unit: 'tokens/s' },
  );
  harness.record(
    `${label}, share of the peak`,
    times.map((ms) => flops / ms / 1e6 / peak.gigaflops),
    { unit: 'of 1' },
  );
  await releaseSessions();
}

/** One caller: a prompt, then greedy tokens. */
export async function generation(bench: ModelBench, prompt: number, count: number): Promise<void> {
  const { harness, name, torch } = bench;
  const label = `generate, ${labels[name]}`;
  const network = await Network.open(bench.folder, { prepack: true });
  const generator = new Generator(network, { prefixCacheBytes: 0 });
  const ids = [...tokenIds(name, prompt)];
  const figures: Record<string, number[]> = {};
  const add = (key: string, value: number): void => void (figures[key] ??= []).push(value);
  const ours = async (): Promise<{ prefillMs: number; decodeMs: number; ids: number[] }> => {
    const begin = performance.now();
    let first = 0;
    const chosen: number[] = [];
    for await (const event of generator.generate({ prompt: ids, maxTokens: count, temperature: 0 })) {
      if (event.type !== 'token') continue;
      chosen.push(event.id);
      if (chosen.length === 1) first = performance.now();
    }
    return { prefillMs: first - begin, decodeMs: performance.now() - first, ids: chosen };
  };
  const theirs = async (peer: Peer): Promise<Awaited<ReturnType<typeof ours>>> =>
    (await peer.ask({ do: 'generate', batch: 1, tokens: ids, count })) as unknown as Awaited<ReturnType<typeof ours>>;
  const turns = torch === undefined ? { fiducial: ours } : { fiducial: ours, PyTorch: () => theirs(torch) };
  const firstTokens: number[][] = [];
  for (let i = -1; i < (name === 'gpt2' ? 4 : 2); i++) {
    for (const [who, turn] of Object.entries(turns)) {
      const { prefillMs, decodeMs, ids: chosen } = await turn();
      if (i < 0) firstTokens.push(chosen);
      else {
        add(`prefill, ${who}`, (prompt * 1000) / prefillMs);
        add(`decode, ${who}`, ((count - 1) * 1000) / decodeMs);
      }
    }
  }
  const note = `one text, prompt of ${prompt}, ${count} tokens, prepacked`;
  for (const [key, values] of Object.entries(figures))
    harness.record(`${label}, ${key}`, values, { unit: 'tokens/s', note });
  for (const kind of torch === undefined ? [] : ['prefill', 'decode']) {
    const ratios = figures[`${kind}, fiducial`]!.map((own, i) => own / figures[`${kind}, PyTorch`]![i]!);
    harness.record(`${label}, ${kind}, fiducial against PyTorch`, ratios, { unit: 'times as fast' });
  }
  if (firstTokens.length === 2) {
    const [own, other] = firstTokens as [number[], number[]];
    const equal = own.findIndex((id, i) => id !== other[i]);
    harness.record(`${label}, tokens that both chose alike`, [equal < 0 ? own.length : equal], {
      unit: 'tokens',
      note,
    });
  }
  await releaseSessions();
}

/** What reading and replacing cost on top of the pass that they ride on. */
export async function taps(bench: ModelBench, batch: number, time: number): Promise<void> {
  const { harness, name } = bench;
  const network = await Network.open(bench.folder, { prepack: true });
  const ids = tokenIds(name, batch * time);
  const texts = Array.from({ length: batch }, (_, row) => ids.subarray(row * time, (row + 1) * time));
  const read = sitesOf(network.description).filter((site) => site.endsWith('.resid_post'));
  const value = new Float32Array(network.description.width).fill(0.01);
  const interventions = [{ site: 'blocks.6.resid_post', positions: [-1], value }];
  const last = { positions: [-1] };
  const bare = { 'run, logits at the last position': () => network.run(texts, last) };
  const parts: Record<string, Record<string, Body>> = {
    'read resid_post of every layer, last position': {
      'with the read': () => network.run(texts, { ...last, read }),
      ...bare,
    },
    'read resid_post of every layer, all positions': {
      'with the read': () => network.run(texts, { read }),
      'run, logits at all positions': () => network.run(texts),
    },
    'replace resid_post of layer 6, last position': {
      'with the replacement': () => network.run(texts, { ...last, interventions }),
      ...bare,
    },
  };
  for (const [part, bodies] of Object.entries(parts)) {
    const label = `taps, ${labels[name]}, ${part}`;
    const note = `batch ${batch} x ${time}`;
    const rows = await harness.compare(label, bodies, { runs: 6, warmup: 1, note });
    const ratio = rows.at(-1)!.speed!.ratio;
    harness.record(`${label}, cost as a share of the pass`, [1 / ratio.median - 1], { unit: 'of 1', note });
  }
  await releaseSessions();
}

/** Time to open, and memory with one, two and three sessions alive, each case in a process of its own. */
export async function memory(bench: ModelBench, temporary: string): Promise<void> {
  const { harness, name } = bench;
  const path = fileURLToPath(new URL('process.ts', import.meta.url));
  const cases = [
    { label: 'float32', dtype: 'F32', prepack: false },
    { label: 'float32, prepacked', dtype: 'F32', prepack: true },
    { label: 'float16', dtype: 'F16', prepack: false },
    { label: 'bfloat16', dtype: 'BF16', prepack: false },
  ] as const;
  for (const { label, dtype, prepack } of cases) {
    const folder = dtype === 'F32' ? bench.folder : await writeModel(temporary, name, dtype);
    const weightBytes = parameterCount(name) * (dtype === 'F32' ? 4 : 2);
    await using own = openPeer(process.execPath, ['--import', 'tsx', path]);
    const { elapsedMs } = await asked(own, { do: 'open', folder, prepack });
    const head = `memory, ${labels[name]}, ${label}`;
    harness.record(`${head}, time to open`, [elapsedMs], { unit: 'ms' });
    for (const [i, time] of [16, 32, 64].entries()) {
      const held = (await own.ask({ do: 'run', time })) as { elapsedMs: number; rss: number; pss: number };
      if (i === 0) harness.record(`${head}, time to the first result`, [held.elapsedMs], { unit: 'ms' });
      const sessions = `${i + 1} session${i === 0 ? '' : 's'}`;
      const unit = 'times the weights';
      harness.record(`${head}, ${sessions}, proportional set`, [held.pss / weightBytes], { unit });
      harness.record(`${head}, ${sessions}, resident set`, [held.rss / weightBytes], { unit });
    }
  }
}
