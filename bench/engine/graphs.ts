/**
 * What a graph of twelve layers costs before it runs, and what recomputation saves while it does. Each figure comes
 * from a process of its own: a user's first trace meets cold code, and memory is that of one step.
 */
import { FiducialError } from '../../src/core/errors.ts';
import { tasks } from '../peers/training.ts';
import { type Bench, openEngine } from './context.ts';

/** Time to trace a step of twelve layers with gradients and AdamW, and to make its session. */
export async function tracing({ harness }: Bench): Promise<void> {
  const cold = { traceMs: [] as number[], sessionMs: [] as number[] };
  const warm = { traceMs: [] as number[], sessionMs: [] as number[] };
  for (let i = 0; i < 3; i++) {
    await using own = openEngine();
    await own.ask({ do: 'open', task: 'deep' });
    for (const times of [cold, warm, warm]) {
      const { traceMs, sessionMs } = (await own.ask({ do: 'trace' })) as { traceMs: number; sessionMs: number };
      times.traceMs.push(traceMs);
      times.sessionMs.push(sessionMs);
    }
  }
  const note = 'width 256, gradients and AdamW, ONNX bytes included';
  harness.record('session, 12 layers, trace, first of the process', cold.traceMs, { unit: 'ms', note });
  harness.record('session, 12 layers, trace, later', warm.traceMs, { unit: 'ms', note });
  harness.record('session, 12 layers, make, first of the process', cold.sessionMs, { unit: 'ms' });
  harness.record('session, 12 layers, make, later', warm.sessionMs, { unit: 'ms' });
}

/** Peak memory of a step of twelve layers above what the process held before, with and without recomputed blocks. */
export async function recomputation({ harness }: Bench): Promise<void> {
  const measured: { aboveBytes: number; elapsedMs: number; loss: number }[] = [];
  for (const isRecomputed of [false, true]) {
    await using own = openEngine();
    await own.ask({ do: 'open', task: 'wide', isRecomputed });
    let last = { aboveBytes: 0, elapsedMs: 0, loss: 0 };
    // The first step also makes the session and grows the arena.
    for (let i = 0; i < 2; i++) last = (await own.ask({ do: 'step' })) as typeof last;
    measured.push(last);
    const { batch, time } = tasks.wide;
    const name = `recomputation, 12 layers, ${isRecomputed ? 'blocks recomputed' : 'everything kept'}`;
    harness.record(`${name}, peak above the start`, [last.aboveBytes], {
      unit: 'bytes',
      note: `width 256, batch ${batch} x ${time}, ${(last.elapsedMs / 1000).toFixed(2)} s a step`,
    });
  }
  const [kept, recomputed] = measured as [(typeof measured)[0], (typeof measured)[0]];
  if (Math.abs(kept.loss - recomputed.loss) > 1e-3) {
    throw new FiducialError(
      'bench.peers-disagree',
      `with recomputation the loss is ${recomputed.loss}, without ${kept.loss}`,
      'A fault of checkpoint().',
    );
  }
  harness.record('recomputation, peak memory saved', [1 - recomputed.aboveBytes / kept.aboveBytes], { unit: 'of 1' });
  harness.record('recomputation, time of a step', [recomputed.elapsedMs / kept.elapsedMs], { unit: 'times as long' });
}
