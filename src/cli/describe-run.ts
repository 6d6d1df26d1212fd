/**
 * One run in words and as JSON: what it is, how far it came, its figures (taken again where a layer or a correction is
 * asked for), its trials and transcripts.
 */
import type { Outcome } from '../core/measures.ts';
import { random } from '../core/random.ts';
import type { Run, Store, Trial } from '../store/index.ts';
import { readCorrection } from '../workbench/correction.ts';
import { readOutcome, takeAgain } from '../workbench/figures.ts';
import { defaultMaxErrorShare } from '../workbench/world.ts';
import { columns } from './columns.ts';
import { judgedNames, outcomeLines } from './outcome.ts';

export interface DescribeOptions {
  readonly withTrials: boolean;
  readonly limit: number;
  readonly item?: string;
  readonly layer?: string;
  readonly correctedBy?: string;
}

/** A run as a JSON value and as lines. */
export async function describeRun(
  store: Store,
  run: Run,
  options: DescribeOptions,
): Promise<{ readonly value: object; readonly lines: readonly string[] }> {
  const info = await run.info();
  const outcome = await figures(store, run, options);
  const layers = await run.layers();
  const children = await run.children();
  const trials = options.withTrials ? await trialsOf(run, options) : [];
  const transcripts =
    options.item === undefined
      ? []
      : await Promise.all(
          trials.flatMap(({ transcript }) => (transcript === undefined ? [] : [store.artefacts.getJson(transcript)])),
        );
  const { spec, usage } = info;
  const counts = `${info.trials.measured} measured, ${info.trials.undetermined} undetermined, ${info.trials.error} in error`;
  return {
    value: { ...info, outcome, layers, children: children.map(({ id }) => id), trials, transcripts },
    lines: [
      `run ${info.id}, ${spec.method}, ${info.status}${info.reason === undefined ? '' : `: ${info.reason}`}`,
      `models: ${Object.entries(spec.models)
        .map(([role, model]) => `${role} ${typeof model === 'string' ? model : JSON.stringify(model)}`)
        .join(', ')}`,
      `parameters: ${JSON.stringify(spec.params)}, seed ${spec.seed}${spec.replicate === undefined ? '' : `, replicate ${spec.replicate}`}`,
      `trials: ${counts}; ${usage.calls} calls, ${usage.inputTokens} tokens in, ${usage.outputTokens} out, cost ${usage.costUsd.toFixed(4)}`,
      ...(layers.length === 0 ? [] : [`layers: ${layers.map(({ name }) => name).join(', ')}`]),
      ...children.map((child) => `child ${child.id} ${child.spec.method} ${child.status}`),
      '',
      ...(outcome === undefined
        ? ['no outcome yet']
        : outcomeLines(outcome, judgedNames((await readOutcome(run))?.derived))),
      ...(trials.length === 0 ? [] : ['', ...trialLines(trials)]),
      ...transcripts.map((each) => `\n${JSON.stringify(each, undefined, 2)}`),
    ],
  };
}

async function figures(store: Store, run: Run, options: DescribeOptions): Promise<Outcome | undefined> {
  const stored = await readOutcome(run);
  if (stored === undefined || (options.layer === undefined && options.correctedBy === undefined)) {
    return stored?.outcome;
  }
  const correction =
    options.correctedBy === undefined ? undefined : await readCorrection(store, await store.run(options.correctedBy));
  const { measures, leftOut } = await takeAgain(run, stored, {
    maxErrorShare: defaultMaxErrorShare,
    random: random(run.spec.seed),
    correction,
    ...(options.layer === undefined ? {} : { layer: options.layer }),
  });
  const caveats = [...(stored.outcome.caveats ?? [])];
  if (correction !== undefined && measures.every(({ corrected }) => corrected === undefined)) {
    caveats.push(
      `no rate was corrected: run ${options.correctedBy} measured the judge ${correction.judge}, not this run's`,
    );
  }
  if (leftOut.length > 0) caveats.push(`not taken again: ${leftOut.join(', ')}`);
  return { ...stored.outcome, measures, caveats };
}

async function trialsOf(run: Run, { limit, item, layer }: DescribeOptions): Promise<readonly Trial[]> {
  const { items } = await run.trials({
    limit,
    ...(layer === undefined ? {} : { layer }),
    ...(item === undefined ? {} : { text: item }),
  });
  return item === undefined ? items : items.filter((trial) => trial.item === item);
}

function trialLines(trials: readonly Trial[]): string[] {
  return columns(
    ['set', 'item', 'status', 'value', 'why'],
    trials.map((trial) => [
      trial.set,
      trial.item,
      trial.status,
      trial.status === 'measured' ? String(trial.value) : '',
      (trial.why ?? '').replaceAll(/\s+/g, ' ').slice(0, 80),
    ]),
    [3],
  );
}
