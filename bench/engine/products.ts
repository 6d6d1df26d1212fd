/**
 * Products and small operators: the engine beside a bare session, and beside each peer.
 */
import { add, compile, matmul, maximum, mul, tanh, tensor, type Tensor } from '../../src/engine/index.ts';
import type { Body } from '../harness.ts';
import { bareTensor, openBare } from '../peers/bare.ts';
import { chainOther, chainStart, smallOperators } from '../peers/training.ts';
import { asked, type Bench, matrix, noteAbsentTorch, settled } from './context.ts';

const CHAIN = 200;
const PRODUCT_SIZES = [256, 512, 1024, 2048] as const;

/** Bare sgemm of each size, and ours and the peers' beside it. Peaks are needed by every later part. */
export async function products(bench: Bench): Promise<void> {
  const { harness, libraries, torch } = bench;
  const product = compile((a: Tensor, b: Tensor) => matmul(a, b), { label: 'product' });
  for (const size of PRODUCT_SIZES) {
    const shape = [size, size];
    const [a, b] = [tensor(matrix(size), { shape }), tensor(matrix(size), { shape })];
    const bare = await openBare(product.program(a, b).bytes);
    const feeds = [a, b].map((x) => bareTensor(x.data as Float32Array, shape));
    const ready = libraries.map((library) => ({ library, work: library.product(size) }));
    // Small products one after another, so that waking the threads is not what is timed.
    const calls = Math.max(1, Math.round((512 / size) ** 3) * 4);
    const bareBody = settled(() => bare.run(feeds), calls);
    const bodies: Record<string, Body> = {
      fiducial: settled(() => product(a, b), calls).body,
      'bare session': bareBody.body,
    };
    const isPeerSize = size <= 1024 && harness.wants('sgemm');
    if (isPeerSize) {
      for (const { library, work } of ready) bodies[library.name] = settled(() => work.run(), calls).body;
      if (torch !== undefined) bodies['PyTorch'] = settled(() => asked(torch, { do: 'product', size, calls })).body;
    }
    const note = 'ratio to the bare session is the share of it that the engine reaches';
    const warmup = 2;
    await harness.compare(`sgemm ${size}`, bodies, { runs: size > 1024 ? 10 : 20, warmup, note });
    const gigaflops = bareBody.timesMs.slice(warmup).map((ms) => (2 * size ** 3) / ms / 1e6);
    harness.record(`sgemm ${size}, bare session`, gigaflops, { unit: 'GFLOP/s' });
    if (size >= 512) {
      const best = Math.max(...gigaflops);
      if (best > bench.peak.gigaflops) Object.assign(bench.peak, { size, gigaflops: best });
    }
    for (const { work } of ready) work.release();
    await bare.release();
  }
  noteAbsentTorch(bench, 'sgemm');
  harness.record('peak', [bench.peak.gigaflops], { unit: 'GFLOP/s', note: `best bare run, size ${bench.peak.size}` });
}

/** A chain of small operators, microseconds an operator. */
export async function chains(bench: Bench): Promise<void> {
  const { harness, libraries, torch } = bench;
  const own = compile(
    (x: Tensor, y: Tensor) => {
      let h = x;
      for (let i = 0; i < CHAIN; i++) {
        switch (smallOperators[i % smallOperators.length]!) {
          case 'add':
            h = add(h, y);
            break;
          case 'multiply':
            h = mul(h, y);
            break;
          case 'tanh':
            h = tanh(h);
            break;
          case 'maximum':
            h = maximum(h, y);
            break;
        }
      }
      return h;
    },
    { label: 'chain' },
  );
  const [x, y] = [tensor(chainStart), tensor(chainOther)];
  const calls = 20;
  const ready = libraries.map((library) => ({ library, work: library.chain(CHAIN) }));
  const ours = settled(() => own(x, y), calls);
  const bodies: Record<string, Body> = { fiducial: ours.body };
  for (const { library, work } of ready) bodies[library.name] = settled(() => work.run(), calls).body;
  if (torch !== undefined) {
    const request = { do: 'chain', count: CHAIN, calls, start: [...chainStart], other: [...chainOther] };
    bodies['PyTorch'] = settled(async () => {
      const { elapsedMs } = await asked(torch, request);
      return { elapsedMs: elapsedMs / calls };
    }).body;
  }
  const note = `${CHAIN} operators on 64 numbers, one call`;
  await harness.compare('small operators', bodies, { runs: 20, warmup: 3, note });
  const microseconds = ours.timesMs.slice(3).map((ms) => (ms * 1000) / CHAIN);
  harness.record('small operators, fiducial, one operator', microseconds, { unit: 'us' });
  for (const { work } of ready) work.release();
  noteAbsentTorch(bench, 'small operators');
}
