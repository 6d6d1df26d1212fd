/**
 * What a command says of a run's result, and the exit code that it comes to.
 */
import type { Bar } from '../workbench/bars.ts';
import { exitCodeOf, judgeBar } from '../workbench/bars.ts';
import type { RunResult } from '../workbench/run.ts';
import { readOutcome } from '../workbench/figures.ts';
import { judgedNames, outcomeLines } from './outcome.ts';
import { print } from './session.ts';

/** Prints a result. @returns the exit code */
export async function reportResult(isJson: boolean, result: RunResult, bars: readonly Bar[] = []): Promise<number> {
  const { run, status } = result;
  const { usage, trials } = await run.info();
  if (result.status !== 'done') {
    const next = `fiducial resume ${run.id}`;
    print(isJson, { run: run.id, status, reason: result.reason, usage, trials, next }, () => [
      `run ${run.id} ${status}: ${result.reason}`,
      `Go on with: ${next}`,
    ]);
    return 2;
  }
  const { outcome } = result;
  const verdicts = bars.map((bar) => judgeBar(bar, outcome.measures));
  const judged = judgedNames((await readOutcome(run))?.derived);
  const nothing = outcome.measures.length === 0 && outcome.findings.length === 0 && outcome.products === undefined;
  print(isJson, { run: run.id, status, outcome, bars: verdicts, usage, trials }, () => [
    `run ${run.id} ${status}${result.isReplay ? ' (had ended before; nothing was sent)' : ''}, ${usage.calls} calls, ${usage.inputTokens + usage.outputTokens} tokens`,
    ...outcomeLines(outcome, judged, verdicts),
  ]);
  if (nothing) return 2;
  return exitCodeOf(verdicts);
}
