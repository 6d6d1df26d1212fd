/** The bars of a run, kept with it, so that its report knows what it was held to. */
import type { Bar } from '../core/bars.ts';
import type { Json } from '../core/values.ts';
import type { Run } from '../store/store.ts';

export { exitCodeOf, judgeBar, parseBar } from '../core/bars.ts';
export type { Bar, BarResult, BarVerdict } from '../core/bars.ts';

/** Keeps the bars that a run is held to; the newest count. */
export async function stateBars(run: Run, bars: readonly Bar[]): Promise<void> {
  if (bars.length > 0) await run.append({ kind: 'bars', data: bars as unknown as Json });
}

/** The bars that a run is held to. */
export async function readBars(run: Run): Promise<readonly Bar[]> {
  return ((await run.events({ kinds: ['bars'] })).at(-1)?.data ?? []) as unknown as readonly Bar[];
}
