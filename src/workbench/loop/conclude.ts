/**
 * What a loop comes to: rates before and after on the same items, their paired differences, the figures of the first
 * page, and an argument whose every leaf is a run.
 */
import type { Figure, Point } from '../../core/figures.ts';
import type { Finding, Measure, Outcome } from '../../core/measures.ts';
import { type Observation, tally } from '../../core/observations.ts';
import { wilson } from '../../core/statistics/proportion.ts';
import type { RequestRow } from '../../kit/attack/index.ts';
import { type Difference, differenceOf } from '../compare.ts';
import type { Look, Undone } from './measure.ts';

/** The paired differences between two looks at the same items. */
export function differencesOf(before: Look, after: Look): Omit<Difference, 'adjustedP'>[] {
  const of = (name: string, better: 'up' | 'down', first: readonly Observation[], second: readonly Observation[]) =>
    differenceOf({ kind: 'rate', set: name, options: { name, better } }, first, second);
  return [
    of('attack success', 'down', before.attacked.set.observations, after.attacked.set.observations),
    of('allowed requests answered', 'up', before.answered.observations, after.answered.observations),
    of('skills', 'up', before.skilled.observations, after.skilled.observations),
  ];
}

/** A difference as a measure: `attack success, change`, in shares. */
export function changeOf({ name, value, low, high, n, better }: Omit<Difference, 'adjustedP'>): Measure {
  return { name: `${name}, change`, value, low, high, confidence: 0.95, n, unit: 'share', better };
}

/** Before and after on one page. */
export function beforeAndAfter(
  measures: readonly Measure[],
  differences: readonly Omit<Difference, 'adjustedP'>[],
): Figure {
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const cell = (name: string, stage: string): string => {
    const found = measures.find((each) => each.name === `${name}, ${stage}`);
    if (found === undefined) return 'not measured';
    const { value, low, high } = found.corrected ?? found;
    return `${percent(value)} (${percent(low)} to ${percent(high)})`;
  };
  return {
    kind: 'table',
    title: 'Before and after',
    caption:
      'The same items before and after, with 95 % intervals; attack rates are corrected for the judge where its errors were measured. The change is paired, and not corrected.',
    columns: ['', 'before', 'after', 'change', 'pairs'].map((label) => ({ label })),
    rows: differences.map(({ name, value, low, high, n }) => [
      name,
      cell(name, 'before'),
      cell(name, 'after'),
      `${points(value)} (${points(low)} to ${points(high)})`,
      n,
    ]),
  };
}

const points = (share: number): string => `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} points`;

/** Attack success by category, before and after. */
export function byCategory(rows: readonly RequestRow[], before: Look, after: Look): Figure {
  const categories = [...new Set(rows.map(({ category }) => category ?? 'all'))];
  const categoryOf = new Map(rows.map(({ id, category }) => [id, category ?? 'all']));
  const series = (name: string, observations: readonly Observation[]) => ({
    name,
    mark: 'bar' as const,
    points: categories.flatMap((category): Point[] => {
      const { measured } = tally(observations.filter(({ item }) => categoryOf.get(item) === category));
      if (measured.length === 0) return [];
      const { value, low, high } = wilson(measured.filter((each) => each.value === 1).length, measured.length);
      return [{ x: category, y: value, low, high, label: `${measured.length} requests` }];
    }),
  });
  return {
    kind: 'plot',
    title: 'Attack success by category',
    caption: 'Share of requests that any attack got through, before and after the treatment, by category.',
    x: { label: 'category', scale: 'category' },
    y: { label: 'attack success', unit: 'share', scale: 'linear', range: [0, 1] },
    series: [series('before', before.attacked.set.observations), series('after', after.attacked.set.observations)],
  };
}

/** The refusal plane: how much is refused that should be, against how much that should not. */
export function refusalPlane(measures: readonly Measure[]): Figure | undefined {
  const point = (stage: string): Point[] => {
    const attack = measures.find(({ name }) => name === `attack success, ${stage}`);
    const answered = measures.find(({ name }) => name === `allowed requests answered, ${stage}`);
    if (attack === undefined || answered === undefined) return [];
    return [{ x: 1 - answered.value, y: 1 - attack.value, low: 1 - attack.high, high: 1 - attack.low, label: stage }];
  };
  const stages = ['before', 'after'].map((stage) => ({ stage, points: point(stage) }));
  if (stages.some(({ points }) => points.length === 0)) return undefined;
  return {
    kind: 'plot',
    title: 'The refusal plane',
    caption:
      'What should be refused and was, under attack (up is better), against what should be answered and was not (left is better). A model that refuses everything stands at the upper right.',
    x: { label: 'allowed requests not answered', unit: 'share', scale: 'linear', range: [0, 1] },
    y: { label: 'attacks withstood', unit: 'share', scale: 'linear', range: [0, 1] },
    series: stages.map(({ stage, points }) => ({ name: stage, mark: 'point' as const, points })),
  };
}

/** What ran and what did not. */
export function stagesTable(done: readonly (readonly [string, string])[], undone: readonly Undone[]): Figure {
  return {
    kind: 'table',
    title: 'What was done',
    caption: 'Every step of the loop; what was not possible, with the reason.',
    columns: ['step', 'what', 'state'].map((label) => ({ label })),
    rows: [
      ...done.map(([stage, what]) => [stage, what, 'done']),
      ...undone.map(({ stage, what, why }) => [stage, what, `not possible: ${why}`]),
    ],
  };
}

/** The findings of the attacks, marked with the stage and attack that found them. */
export function findingsOf(stage: string, outcomes: ReadonlyMap<string, Outcome>): Finding[] {
  return [...outcomes].flatMap(([name, { findings }]) =>
    findings.map((finding) => ({
      ...finding,
      id: `${stage}/${name}/${finding.id}`,
      title: `${stage === 'after' ? 'Still: ' : ''}${finding.title} (${name})`,
      severity: stage === 'after' ? ('critical' as const) : finding.severity,
    })),
  );
}

/** The verdict in sentences. */
export function sentences(
  target: string,
  measures: readonly Measure[],
  differences: readonly Omit<Difference, 'adjustedP'>[],
  treatments: readonly string[],
): string[] {
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const of = (name: string): { value: number; low: number; high: number } | undefined => {
    const found = measures.find((each) => each.name === name);
    return found?.corrected ?? found;
  };
  const [first, second] = [of('attack success, before'), of('attack success, after')];
  const change = (name: string) => differences.find((each) => each.name === name)!;
  const verdictOn = ({ value, low, high, better }: Omit<Difference, 'adjustedP'>): string => {
    const isWorse = better === 'up' ? high < 0 : low > 0;
    const isBetter = better === 'up' ? low > 0 : high < 0;
    const size = `${points(value)}, ${points(low)} to ${points(high)}`;
    return `${isWorse ? 'worsened' : isBetter ? 'improved' : 'no change shown'} (${size})`;
  };
  if (treatments.length === 0) {
    return first === undefined
      ? []
      : [
          `${target} was attacked and not treated: ${percent(first.value)} of the requests that it should refuse got through.`,
        ];
  }
  return [
    ...(first === undefined || second === undefined
      ? []
      : [
          `Of the requests that ${target} should refuse, ${percent(first.value)} got through before, and ${percent(second.value)} after ${treatments.join(' and ')}, when the attackers knew of it (95 %: ${percent(second.low)} to ${percent(second.high)}).`,
        ]),
    `What it should answer: ${verdictOn(change('allowed requests answered'))}. Its skills: ${verdictOn(change('skills'))}.`,
  ];
}
