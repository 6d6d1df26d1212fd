/**
 * What a report says, read from stored runs and from nothing else: not from a method's code, not from a model.
 *
 * A run is read with its children. Transcripts are read where a finding points at them, up to a stated number and size;
 * what is left out is counted. Beside each run stands the calibration of its method at the very code that ran, or why
 * there is none.
 */
import type { Outcome } from '../../core/measures.ts';
import type { Json, Ref } from '../../core/values.ts';
import { isFiducialError } from '../../core/errors.ts';
import type { Run, RunInfo, Store } from '../../store/store.ts';
import { type BarResult, judgeBar, readBars } from '../bars.ts';
import { readOutcome } from '../figures.ts';
import { type CalibrationNote, calibrationOf } from '../kept-calibrations.ts';

/** Observations that carry no value, by cause. */
export interface Cause {
  readonly status: 'undetermined' | 'error';
  readonly set: string;
  readonly why: string;
  readonly count: number;
  /** The first few items. */
  readonly items: readonly string[];
}

export interface ReportRun {
  readonly info: RunInfo;
  /** The key under which its parent called it. */
  readonly key?: string;
  /** Absent while the run has none. */
  readonly outcome?: Outcome;
  /** Names of the rates that rest on a judge. */
  readonly judged: readonly string[];
  readonly bars: readonly BarResult[];
  readonly causes: readonly Cause[];
  /** What findings point at. Text of models: never markup. */
  readonly transcripts: Readonly<Record<Ref, Json>>;
  /** Transcripts that findings point at and that are not in here, with the reason. */
  readonly withheld: readonly { readonly ref: Ref; readonly why: string }[];
  readonly calibration: CalibrationNote;
  /** How it was asked for, where a command did. */
  readonly request?: Json;
  readonly children: readonly ReportRun[];
}

export interface Report {
  readonly format: 'fiducial-report';
  readonly version: 1;
  readonly runs: readonly ReportRun[];
}

export interface CollectOptions {
  /** Most transcripts of one run. @default 40 */
  readonly transcripts?: number;
  /** A folder of calibrations. @default the shipped one */
  readonly calibrations?: string | URL;
}

/**
 * Reads runs with all that a report needs.
 *
 * @throws FiducialError `store.no-run`
 * @example await collectReport(store, [await store.run('a1b2')])
 */
export async function collectReport(store: Store, runs: readonly Run[], options: CollectOptions = {}): Promise<Report> {
  const collected: ReportRun[] = [];
  for (const run of runs) collected.push(await collectRun(store, run, options));
  return { format: 'fiducial-report', version: 1, runs: collected };
}

async function collectRun(store: Store, run: Run, options: CollectOptions): Promise<ReportRun> {
  const info = await run.info();
  const stored = await readOutcome(run);
  const request = await run.event('request', 'request');
  const { transcripts, withheld } = await transcriptsOf(store, stored?.outcome, options.transcripts ?? 40);
  const bars = await readBars(run);
  const children: ReportRun[] = [];
  const infos = [...(await run.children())].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  for (const child of infos) children.push(await collectRun(store, await store.run(child.id), options));
  return {
    info,
    ...(run.spec.parent === undefined ? {} : { key: run.spec.parent.key }),
    ...(stored === undefined ? {} : { outcome: stored.outcome }),
    judged: (stored?.derived ?? []).flatMap((each) =>
      each.kind === 'rate' && each.options.judge !== undefined ? [each.options.name] : [],
    ),
    bars: stored === undefined ? [] : bars.map((bar) => judgeBar(bar, stored.outcome.measures)),
    causes: await causesOf(run),
    transcripts,
    withheld,
    calibration: calibrationOf(run.spec.method, run.spec.hashes.code, options.calibrations),
    ...(request === undefined ? {} : { request: request.data }),
    children,
  };
}

async function causesOf(run: Run): Promise<Cause[]> {
  const causes = new Map<
    string,
    { status: Cause['status']; set: string; why: string; count: number; items: string[] }
  >();
  for await (const trial of run.eachTrial({ status: ['undetermined', 'error'] })) {
    if (trial.status === 'measured') continue;
    const { status, set, why, item } = trial;
    const key = JSON.stringify([status, set, why]);
    const cause = causes.get(key) ?? { status, set, why, count: 0, items: [] };
    cause.count++;
    if (cause.items.length < 5) cause.items.push(item);
    causes.set(key, cause);
  }
  return [...causes.values()].sort((a, b) => b.count - a.count || (a.why < b.why ? -1 : 1));
}

async function transcriptsOf(
  store: Store,
  outcome: Outcome | undefined,
  most: number,
): Promise<Pick<ReportRun, 'transcripts' | 'withheld'>> {
  const transcripts: Record<Ref, Json> = {};
  const withheld: { ref: Ref; why: string }[] = [];
  const refs = new Set<Ref>(
    (outcome?.findings ?? []).flatMap(({ evidence }) =>
      evidence.flatMap(({ ref }) => (ref === undefined ? [] : [ref])),
    ),
  );
  for (const ref of refs) {
    const info = await store.artefacts.info(ref);
    if (info === undefined) withheld.push({ ref, why: 'not in this store' });
    else if (info.purgedAtMs !== undefined) withheld.push({ ref, why: 'its text was purged' });
    else if (!info.type.includes('json')) withheld.push({ ref, why: `${info.bytes} bytes of ${info.type}` });
    else if (info.bytes > mostBytes) withheld.push({ ref, why: `${info.bytes} bytes long` });
    else if (Object.keys(transcripts).length >= most) withheld.push({ ref, why: 'beyond the number that is shown' });
    else {
      try {
        transcripts[ref] = await store.artefacts.getJson(ref);
      } catch (error) {
        // The report says what is damaged; it does not fail over one text.
        if (!isFiducialError(error)) throw error;
        withheld.push({ ref, why: error.message });
      }
    }
  }
  return { transcripts, withheld };
}

/** A longer transcript is left to `fiducial show`. */
const mostBytes = 200_000;

/** A run and all below it, parents first. */
export function everyRun(runs: readonly ReportRun[]): ReportRun[] {
  return runs.flatMap((run) => [run, ...everyRun(run.children)]);
}
