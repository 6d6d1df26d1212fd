import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('checkpoint-memory.ts', import.meta.url));
const measure = (how: string): { bytes: number; losses: number[] } =>
  JSON.parse(execFileSync(process.execPath, ['--import', 'tsx', script, how], { encoding: 'utf8' })) as {
    bytes: number;
    losses: number[];
  };

it('recomputing twelve blocks gives the same losses with at least 40 % less memory', () => {
  const [whole, recomputed] = [measure('plain'), measure('checkpoint')];
  recomputed.losses.forEach((loss, i) => expect(loss).toBeCloseTo(whole.losses[i]!, 4));
  expect(whole.bytes).toBeGreaterThan(50e6);
  expect(recomputed.bytes).toBeLessThan(0.6 * whole.bytes);
});
