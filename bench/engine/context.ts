/**
 * What the parts of the engine's bench share: the harness, the peers, the peak, and bodies that settle before they are
 * timed. Threads of the body before spin on for a while, so each waits a few milliseconds first.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compile, matmul, tensor, type Tensor } from '../../src/engine/index.ts';
import { type Body, type FoundPython, type Harness, openPeer, type Peer, type Timed } from '../harness.ts';
import { bareTensor, openBare } from '../peers/bare.ts';
import type { LibraryPeer } from '../peers/training.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
export const THREADS = 2;

export interface Bench {
  readonly harness: Harness;
  readonly libraries: readonly LibraryPeer[];
  readonly torch: Peer | undefined;
  readonly python: FoundPython;
  readonly folder: string;
  /** The size whose bare product is fastest, and how fast. */
  readonly peak: { size: number; gigaflops: number };
}

/** PyTorch on as many threads as the engine has here. */
export const openTorch = ({ command }: FoundPython & { isFound: true }): Peer =>
  openPeer(command, [here('../peers/torch_gpt.py'), String(THREADS)]);

/** The engine in a process of its own. */
export const openEngine = (): Peer => openPeer(process.execPath, ['--import', 'tsx', here('process.ts')]);

/** A body that times itself after a pause, and keeps its times. */
export function settled(body: Body, calls = 1): { body: () => Promise<Timed>; timesMs: number[] } {
  const timesMs: number[] = [];
  return {
    timesMs,
    body: async () => {
      await sleep(5);
      const begin = performance.now();
      let result: unknown;
      for (let call = 0; call < calls; call++) {
        result = body();
        if (result instanceof Promise) result = await result;
      }
      const own = result as Partial<Timed> | undefined;
      const elapsedMs = own?.elapsedMs ?? (performance.now() - begin) / calls;
      timesMs.push(elapsedMs);
      return { elapsedMs, ...(own?.residentBytes === undefined ? {} : { residentBytes: own.residentBytes }) };
    },
  };
}

/** A request whose answer holds a time. */
export const asked = async (peer: Peer, request: Parameters<Peer['ask']>[0]): Promise<Timed> =>
  (await peer.ask(request)) as unknown as Timed;

/** Values between -0.5 and 0.5: zeros and denormals have speeds of their own. */
export function matrix(size: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, i) => ((i * 31) % 17) / 17 - 0.5);
}

/** Bare products of the peak's size, run in turn with something else. */
export interface Products {
  readonly body: Body;
  readonly timesMs: number[];
  /** Of one product. */
  readonly flops: number;
  release(): Promise<void>;
}

/** A bare product of the peak's size, to take turns with a step. */
export async function peakBody({ peak }: Bench): Promise<Products> {
  const { size } = peak;
  const shape = [size, size];
  const a = tensor(matrix(size), { shape });
  const bare = await openBare(compile((x: Tensor, y: Tensor) => matmul(x, y)).program(a, a).bytes);
  const feeds = [bareTensor(matrix(size), shape), bareTensor(matrix(size), shape)];
  // One product is short beside a step, and would catch only a moment of a busy machine.
  const turn = settled(() => bare.run(feeds), 4);
  return { body: turn.body, timesMs: turn.timesMs, flops: 2 * size ** 3, release: () => bare.release() };
}

/** Where PyTorch is not found, each part says so. */
export function noteAbsentTorch({ harness, python }: Bench, part: string): void {
  if (!python.isFound) harness.absent(`${part}, PyTorch`, python.why);
}
