/**
 * A network in a process of its own: what it holds with one, two and three sessions alive. Requests line by line, one
 * JSON line each in answer.
 *
 *   open   folder, prepack: time to open
 *   run    time: a pass over one text of that many tokens, in a session of its own; resident memory above the start
 *
 * Memory is given twice, from /proc/self/smaps_rollup: as resident set (Rss), and as proportional set (Pss), in which a
 * page of the checkpoint that several sessions have mapped counts once.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { heldSessions } from '../../src/engine/index.ts';
import { Network } from '../../src/network/index.ts';

interface Request {
  readonly do: 'open' | 'run';
  readonly folder?: string;
  readonly prepack?: boolean;
  readonly time?: number;
}

let network: Network | undefined;
const start = memory();

/** Bytes; zeros where the system has no such file. */
function memory(): { rss: number; pss: number } {
  if (process.platform !== 'linux') return { rss: process.memoryUsage.rss(), pss: 0 };
  const text = readFileSync('/proc/self/smaps_rollup', 'utf8');
  const read = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { rss: read('Rss'), pss: read('Pss') };
}

async function answer(request: Request): Promise<Record<string, number>> {
  const begin = performance.now();
  if (request.do === 'open') {
    network = await Network.open(request.folder!, { prepack: request.prepack ?? false });
    return { elapsedMs: performance.now() - begin };
  }
  const text = Int32Array.from({ length: request.time! }, (_, i) => (i * 7919) % 50000);
  await network!.run([text], { positions: [-1] });
  const elapsedMs = performance.now() - begin;
  const now = memory();
  return { elapsedMs, sessions: heldSessions().length, rss: now.rss - start.rss, pss: now.pss - start.pss };
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
