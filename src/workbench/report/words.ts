/** The sentences that every form of a report shares: what a run came to, how its bars fared, what is not known. */
import type { Finding, Measure, Severity } from '../../core/measures.ts';
import type { Json } from '../../core/values.ts';
import type { BarResult } from '../bars.ts';
import { everyRun, type Report, type ReportRun } from './collect.ts';
import type { CalibrationNote } from '../kept-calibrations.ts';

export type Standing = 'held' | 'fell short' | 'not shown' | 'not measured' | 'no bar' | 'not ended';

/** How the roots of a report stand, the worst first. */
export function standingOf({ runs }: Report): Standing {
  if (runs.some(({ outcome }) => outcome === undefined)) return 'not ended';
  const verdicts = runs.flatMap(({ bars }) => bars.map(({ verdict }) => verdict));
  if (verdicts.length === 0) return 'no bar';
  return (['not measured', 'fell short', 'not shown', 'held'] as const).find((each) => verdicts.includes(each))!;
}

/** The standing in one sentence, for a reader who reads no other. */
export function verdictOf(report: Report): string {
  const bars = report.runs.flatMap((run) => run.bars);
  const count = (verdict: BarResult['verdict']): number => bars.filter((bar) => bar.verdict === verdict).length;
  switch (standingOf(report)) {
    case 'held':
      return bars.length === 1
        ? 'The stated bar held: the whole interval lies on the right side, with every undetermined trial at its worst.'
        : `All ${bars.length} stated bars held: the whole intervals lie on the right side, with every undetermined trial at its worst.`;
    case 'fell short':
      return `It fell short: of ${bars.length} stated bars ${count('fell short')} failed, ${count('held')} held, ${count('not shown')} were not shown.`;
    case 'not shown':
      return `It was not shown: of ${bars.length} stated bars ${count('held')} held, and ${count('not shown')} could be neither shown nor refuted with this many trials.`;
    case 'not measured':
      return `It could not be measured: ${count('not measured')} of ${bars.length} stated bars speak of something that was not measured.`;
    case 'not ended':
      return `It did not end: ${report.runs
        .filter(({ outcome }) => outcome === undefined)
        .map(
          ({ info }) =>
            `run ${info.id.slice(0, 12)} is ${info.status}${info.reason === undefined ? '' : ` (${info.reason})`}`,
        )
        .join('; ')}. What follows is what is there.`;
    case 'no bar':
      return 'No bar was stated: what follows was measured, and is not judged.';
  }
}

/** Which models a run was about, by role. */
export function modelsOf(run: ReportRun): string {
  return Object.entries(run.info.spec.models)
    .map(([role, model]) => `${role}: ${typeof model === 'string' ? model : JSON.stringify(model)}`)
    .join(', ');
}

/** A number in its unit. */
export function amount(value: number, unit: string): string {
  if (unit === 'share') return `${(100 * value).toFixed(1)} %`;
  const text = String(Number(value.toPrecision(4)));
  return unit === 'score' ? text : `${text} ${unit}`;
}

export function interval(low: number, high: number, unit: string): string {
  const bare = (value: number): string =>
    unit === 'share' ? (100 * value).toFixed(1) : String(Number(value.toPrecision(4)));
  return `${bare(low)} to ${bare(high)}${unit === 'share' ? ' %' : ''}`;
}

/** The cells of a measure's row, after its name. */
export function measureCells(measure: Measure, judged: readonly string[]): string[] {
  const { value, low, high, n, unit, undetermined = 0, errors = 0, bounds, corrected, confidence } = measure;
  const ends = bounds === undefined ? undefined : [...bounds].sort((a, b) => a - b);
  return [
    amount(value, unit),
    `${interval(low, high, unit)} (${Math.round(100 * confidence)} %)`,
    String(n),
    undetermined === 0
      ? errors === 0
        ? 'none'
        : `${errors} errors`
      : `${undetermined}${ends === undefined ? '' : `: ${interval(ends[0]!, ends[1]!, unit)}`}${errors === 0 ? '' : `, ${errors} errors`}`,
    corrected !== undefined
      ? `${amount(corrected.value, unit)} (${interval(corrected.low, corrected.high, unit)})`
      : judged.includes(measure.name)
        ? 'not corrected'
        : 'no judge',
  ];
}

export const measureColumns = ['measure', 'value', 'interval', 'n', 'undetermined', "corrected for the judge's errors"];

/** What is known of the instrument, in one sentence. */
export function calibrationWords(note: CalibrationNote): string {
  if (note.state === 'none') return 'Not calibrated: no calibration of this method is kept.';
  const figures = note.measures
    .map(
      ({ name, value, low, high, unit, n }) =>
        `${name} ${amount(value, unit)} (${interval(low, high, unit)}, n = ${n})`,
    )
    .join('; ');
  return note.state === 'calibrated'
    ? `Calibrated on ${note.cases} cases with a planted truth: ${figures}.`
    : `Not calibrated at this version of its code. An earlier version, on ${note.cases} cases: ${figures}.`;
}

/** How many observations of all runs carry no value. */
export function unmeasured(report: Report): {
  readonly undetermined: number;
  readonly errors: number;
  readonly of: number;
} {
  const counts = everyRun(report.runs).map(({ info }) => info.trials);
  const sum = (of: (each: (typeof counts)[number]) => number): number =>
    counts.reduce((all, each) => all + of(each), 0);
  const undetermined = sum((each) => each.undetermined);
  const errors = sum((each) => each.error);
  return { undetermined, errors, of: undetermined + errors + sum((each) => each.measured) };
}

const severities: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'note'];

/** Findings from worst to least; equal ones in the order of the method. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
}

/** How a run is made again, as a command and as what it depends on. */
export function reproduction(run: ReportRun): { readonly commands: string[]; readonly depends: [string, string][] } {
  const { spec, id } = run.info;
  const asked = recordOf(recordOf(run.request)['asked']);
  const fillings = recordOf(asked['fillings']);
  const words = Array.isArray(asked['command']) ? asked['command'].map(String) : undefined;
  const roles = Object.entries(fillings).flatMap(([role, filling]) =>
    (Array.isArray(filling) ? filling : [filling]).map((each) => `--${role} ${quoted(String(each))}`),
  );
  const again =
    words !== undefined
      ? words.map(quoted).join(' ')
      : asked['isDemo'] === true
        ? `fiducial run ${spec.method} --demo --seed ${quoted(String(spec.seed))}`
        : `fiducial run ${spec.method} ${[...roles, `--seed ${quoted(String(spec.seed))}`].join(' ')} --params params.json`;
  const hashes = { ...spec.hashes.weights, ...spec.hashes.data };
  return {
    commands:
      spec.parent === undefined ? [again, `fiducial show ${id.slice(0, 12)}`] : [`fiducial show ${id.slice(0, 12)}`],
    depends: [
      ['parameters', JSON.stringify(spec.params)],
      ['seed', String(spec.seed)],
      ['hash of the code', spec.hashes.code],
      ...Object.entries(hashes).map(([name, hash]): [string, string] => [`hash of ${name}`, hash]),
      ...(spec.replicate === undefined ? [] : [['replicate', String(spec.replicate)] as [string, string]]),
    ],
  };
}

/** A word for a shell. */
function quoted(word: string): string {
  return /^[\w./:@%+=,#-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function recordOf(value: unknown): Readonly<Record<string, Json>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, Json>) : {};
}

export function usageWords({ usage }: ReportRun['info']): string {
  const tokens = `${usage.calls} calls, ${usage.inputTokens} tokens in, ${usage.outputTokens} out`;
  return usage.costUsd === 0 ? tokens : `${tokens}, cost ${usage.costUsd.toFixed(4)}`;
}

/** What a report is about, in a line. */
export function titleOf({ runs }: Report): string {
  const targets = new Set(
    runs.map(({ info }) => {
      const [first] = Object.values(info.spec.models);
      return String(info.spec.models['target'] ?? first ?? info.spec.method);
    }),
  );
  return `What was found of ${[...targets].join(' and ')}`;
}

/** One line of a measure, for other forms. */
export function measureLine({ name, value, low, high, unit, n }: Measure): string {
  return `${name}: ${amount(value, unit)} (${interval(low, high, unit)}, n = ${n})`;
}
