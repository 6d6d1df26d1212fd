/**
 * Bars that a user or a claim states for measures: `attack success <= 5%`. They decide exit codes and claims.
 *
 * A bar holds only where the whole interval does, with every undetermined trial taken at its worst. Where the figure is
 * on the right side and its interval is not, the run was too small to show it, and says so; that is no pass.
 */
import { FiducialError, nearestWord, show } from './errors.ts';
import type { Measure } from './measures.ts';

export interface Bar {
  readonly measure: string;
  readonly relation: '<=' | '>=';
  readonly value: number;
}
export type BarVerdict = 'held' | 'fell short' | 'not shown' | 'not measured';
export interface BarResult {
  readonly bar: Bar;
  readonly verdict: BarVerdict;
  readonly why: string;
}

/**
 * @throws FiducialError `bar.invalid`
 * @example parseBar('attack success <= 5%') // { measure: 'attack success', relation: '<=', value: 0.05 }
 */
export function parseBar(text: string): Bar {
  const match = /^\s*(.+?)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text);
  if (match === null) {
    throw new FiducialError('bar.invalid', `${show(text)} is no bar`, 'Write it like "attack success <= 5%".');
  }
  const [, measure, relation, number, percent] = match;
  return {
    measure: measure!,
    relation: relation!.startsWith('<') ? '<=' : '>=',
    value: Number(number) / (percent === '%' ? 100 : 1),
  };
}

/** What the measures say of a bar. */
export function judgeBar(bar: Bar, measures: readonly Measure[]): BarResult {
  const measure = measures.find(({ name }) => name === bar.measure);
  if (measure === undefined) {
    const meant = nearestWord(
      bar.measure,
      measures.map(({ name }) => name),
    );
    const hint =
      meant === undefined ? `measured are ${measures.map(({ name }) => name).join(', ')}` : `did you mean ${meant}?`;
    return { bar, verdict: 'not measured', why: `there is no measure ${show(bar.measure)}; ${hint}` };
  }
  const used = measure.corrected ?? measure;
  const ends = [used.low, used.high, ...(measure.bounds ?? [])];
  const isUpper = bar.relation === '<=';
  const worst = isUpper ? Math.max(...ends) : Math.min(...ends);
  const meets = (value: number): boolean => (isUpper ? value <= bar.value : value >= bar.value);
  const figures = `${percent(used.value, measure)}, at worst ${percent(worst, measure)}`;
  if (meets(worst)) return { bar, verdict: 'held', why: figures };
  if (!meets(used.value)) return { bar, verdict: 'fell short', why: figures };
  return { bar, verdict: 'not shown', why: `${figures}: too few trials to show it, or too many undetermined` };
}

function percent(value: number, { unit }: Measure): string {
  return unit === 'share' ? `${(100 * value).toFixed(1)} %` : String(Number(value.toPrecision(4)));
}

/** 0 where all held, 2 where one was not measured, else 1. */
export function exitCodeOf(results: readonly BarResult[]): 0 | 1 | 2 {
  if (results.some(({ verdict }) => verdict === 'not measured')) return 2;
  return results.every(({ verdict }) => verdict === 'held') ? 0 : 1;
}
