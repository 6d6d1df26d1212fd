/**
 * The engine in a process of its own, for figures that another's memory or warmed-up code would spoil: the resident
 * memory of a step, the time to trace and to make a session. Requests line by line, one JSON line each in answer.
 *
 *   open   task, weights (a file to write them to), isRecomputed
 *   step   one training step: time, loss, peak resident memory of the process, and above what it held after `open`
 *   trace  time to trace the step and to make its session, code cold at the first
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { namedLeaves } from '../../src/engine/index.ts';
import { writeSafetensors } from '../../src/network/checkpoint/index.ts';
import { watchMemory } from '../harness/machine.ts';
import { openBare } from '../peers/bare.ts';
import { ownTraining, type OwnTraining } from './own.ts';
import { type TaskName, tasks } from '../peers/training.ts';

interface Request {
  readonly do: 'open' | 'step' | 'trace';
  readonly task?: TaskName;
  readonly weights?: string;
  readonly isRecomputed?: boolean;
}

let training: OwnTraining | undefined;
let readMemory = watchMemory();
let baselineBytes = 0;

async function answer(request: Request): Promise<Record<string, number>> {
  if (request.do === 'open') {
    training = ownTraining(tasks[request.task!], { isRecomputed: request.isRecomputed ?? false });
    const leaves = namedLeaves(training.parameters());
    if (request.weights !== undefined) {
      const tensors = leaves.map(({ name, tensor: { shape, data } }) => ({ name, dtype: 'F32' as const, shape, data }));
      await writeSafetensors(request.weights, tensors);
    }
    readMemory = watchMemory();
    baselineBytes = process.memoryUsage.rss();
    return { parameters: leaves.reduce((total, { tensor }) => total + tensor.size, 0) };
  }
  if (request.do === 'step') {
    const begin = performance.now();
    const loss = await training!.step();
    const elapsedMs = performance.now() - begin;
    const { peakBytes } = readMemory();
    return { elapsedMs, loss, residentBytes: peakBytes, aboveBytes: peakBytes - baselineBytes };
  }
  const { traceMs, bytes } = training!.trace();
  const begin = performance.now();
  await (await openBare(bytes)).release();
  return { traceMs, sessionMs: performance.now() - begin };
}

const lines = createInterface({ input: process.stdin });
let last = Promise.resolve();
lines.on('line', (line) => {
  last = last.then(async () => {
    console.log(JSON.stringify(await answer(JSON.parse(line) as Request)));
  });
});
await once(lines, 'close');
await last;
