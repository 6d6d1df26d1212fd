/**
 * The ROC curve of a guard as a figure, with the point at which it is set to work.
 */
import type { Figure, Point, Series } from '../../core/figures.ts';
import { type RocPoint, rocCurve } from '../../core/statistics/roc.ts';

/**
 * A curve and its working point.
 *
 * @param threshold scores above it are blocked
 * @example rocFigure(rocSeries('ask', [0.9, 0.1], [1, 0], 0.5), 0.01)
 */
export function rocSeries(
  name: string,
  scores: readonly number[],
  labels: readonly (0 | 1)[],
  threshold: number,
): Series[] {
  const share = (label: 0 | 1): number => {
    const own = scores.filter((_, i) => labels[i] === label);
    return own.filter((score) => score > threshold).length / own.length;
  };
  return [
    { name, mark: 'step', points: corners(rocCurve(scores, labels)) },
    { name: `${name}, as set`, mark: 'point', points: [{ x: share(0), y: share(1), label: 'where the threshold is' }] },
  ];
}

/** Chance is drawn beside; the budget is in the caption. */
export function rocFigure(series: readonly Series[], budget: number): Figure {
  return {
    kind: 'plot',
    title: 'What the guard catches at what it refuses',
    caption: `Share of harmful exchanges that score above a threshold, by the share of all others that do; the points are where the thresholds stand for a refusal budget of ${(100 * budget).toPrecision(2)} %.`,
    x: { label: 'others refused', scale: 'linear', range: [0, 1] },
    y: { label: 'harmful caught', scale: 'linear', range: [0, 1] },
    series: [
      ...series,
      {
        name: 'chance',
        mark: 'line',
        isReference: true,
        points: [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
      },
    ],
  };
}

/** The points at which the curve turns: those between two on one straight line say nothing. */
function corners(curve: readonly RocPoint[]): Point[] {
  return curve
    .filter((point, i) => {
      const [before, after] = [curve[i - 1], curve[i + 1]];
      if (before === undefined || after === undefined) return true;
      const isFlat =
        before.truePositiveRate === point.truePositiveRate && point.truePositiveRate === after.truePositiveRate;
      const isSteep =
        before.falsePositiveRate === point.falsePositiveRate && point.falsePositiveRate === after.falsePositiveRate;
      return !isFlat && !isSteep;
    })
    .map(({ falsePositiveRate, truePositiveRate }) => ({ x: falsePositiveRate, y: truePositiveRate }));
}
