/**
 * Another judge over the transcripts of a run that is over: a new layer, no call to the target.
 *
 * Only trials whose transcript is kept and that a judge had decided on, or could not decide on, are read; a trial in
 * error has no reply and stays an error. The judge's calls are recorded and replayed like a run's.
 */
import { FiducialError } from '../core/errors.ts';
import type { Measure } from '../core/measures.ts';
import type { Observation } from '../core/observations.ts';
import { random } from '../core/random.ts';
import type { TranscriptRecord } from '../methods/method.ts';
import type { Judge } from '../kit/judge/index.ts';
import { openJudge } from '../kit/judge/index.ts';
import { createBudget } from '../models/budget.ts';
import { decorate } from '../models/decorate.ts';
import { createLimiter } from '../models/limit.ts';
import type { Model } from '../models/model.ts';
import { createRedactor } from '../models/redact.ts';
import type { Run } from '../store/store.ts';
import { readOutcome, takeAgain } from './figures.ts';
import { hold } from './lease.ts';
import { openCallLog } from './ports.ts';
import { inFrame, scoped } from './scope.ts';
import { defaultConcurrency, defaultMaxErrorShare, type RunOptions } from './world.ts';

export interface Rescored {
  readonly layer: string;
  readonly judge: string;
  readonly measures: readonly Measure[];
  /** Measures that only the method itself can make. */
  readonly leftOut: readonly string[];
  readonly trials: number;
  /** Trials that the first judge read and whose transcript is not kept: undetermined for this one. */
  readonly unread: number;
}

/**
 * Judges every trial of a finished run again.
 *
 * @param word a judge's name, see `openJudge`
 * @throws FiducialError `rescore.no-outcome`, `store.layer-differs`, and what the judge's model throws
 * @example await rescore(run, 'rubric', judgeModel, { store })
 */
export async function rescore(
  run: Run,
  word: string,
  model: Model | undefined,
  options: RunOptions & { readonly layer?: string },
): Promise<Rescored> {
  const stored = await readOutcome(run);
  if (stored === undefined) {
    throw new FiducialError(
      'rescore.no-outcome',
      `Run ${run.id} has no outcome yet`,
      `fiducial resume ${run.id} brings it to its end first.`,
    );
  }
  const control = new AbortController();
  options.signal?.addEventListener('abort', () => control.abort(options.signal?.reason), { once: true });
  const held = await hold(options.store, run, (error) => control.abort(error));
  try {
    const log = await openCallLog(held.run);
    const { prices, budget } = options;
    const layered =
      model === undefined
        ? undefined
        : scoped(
            decorate(model, {
              log,
              redactor: options.redactor ?? createRedactor(),
              ...(prices === undefined ? {} : { prices }),
              ...(budget === undefined
                ? {}
                : { budget: createBudget({ ...budget, ...(prices === undefined ? {} : { prices }) }) }),
              ...(model.endpoint?.kind === 'http'
                ? {
                    limiter: createLimiter({
                      maxConcurrency: options.concurrency ?? defaultConcurrency,
                      ...options.limits,
                    }),
                  }
                : {}),
            }),
            undefined,
          );
    const judge = openJudge(word, layered);
    const layer = options.layer ?? judge.id;
    await held.run.addLayer({ name: layer, judge: { id: judge.id } });
    const counts = await readAll(held.run, layer, judge, options, control.signal);
    const again = await takeAgain(held.run, renamed(stored, judge.id), {
      layer,
      maxErrorShare: options.maxErrorShare ?? defaultMaxErrorShare,
      random: random(run.spec.seed),
      correction: options.correction,
    });
    return { layer, judge: judge.id, ...again, ...counts };
  } finally {
    await held.release();
  }
}

/** The derivations with the new judge's name, so that its own correction is the one that fits. */
function renamed(
  stored: NonNullable<Awaited<ReturnType<typeof readOutcome>>>,
  judge: string,
): NonNullable<Awaited<ReturnType<typeof readOutcome>>> {
  return {
    ...stored,
    derived: stored.derived.map((each) =>
      each.kind === 'rate' ? { ...each, options: { ...each.options, judge } } : each,
    ),
  };
}

async function readAll(
  run: Run,
  layer: string,
  judge: Judge,
  options: RunOptions,
  signal: AbortSignal,
): Promise<{ trials: number; unread: number }> {
  let trials = 0;
  let unread = 0;
  const pending: (() => Promise<void>)[] = [];
  for await (const trial of run.eachTrial()) {
    trials++;
    if ((await run.trial(trial.set, trial.item, layer)) !== undefined) continue;
    const { item, cluster, transcript, set } = trial;
    const place = { item, ...(cluster === undefined ? {} : { cluster }) };
    if (trial.status === 'error' || transcript === undefined) {
      if (trial.status !== 'error') unread++;
      const { why } = trial;
      const same: Observation =
        trial.status === 'measured'
          ? { ...place, status: 'undetermined', why: 'no transcript was kept' }
          : { ...place, status: trial.status, why: why ?? 'not measured' };
      pending.push(async () => void (await run.recordTrial(set, same, layer)));
      continue;
    }
    pending.push(async () => {
      const { request, reply } = (await options.store.artefacts.getJson(transcript)) as unknown as TranscriptRecord;
      const verdict = await inFrame(`layer/${layer}/${set}/${item}`, () => judge.grade({ request, reply }, signal));
      await run.recordTrial(set, { ...place, ...verdict, transcript }, layer);
    });
  }
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < pending.length) {
      signal.throwIfAborted();
      await pending[next++]!();
    }
  };
  await Promise.all(Array.from({ length: options.concurrency ?? defaultConcurrency }, worker));
  return { trials, unread };
}
