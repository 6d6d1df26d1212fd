/**
 * Axes as numbers: where a value stands in pixels, which values are marked, and how they are written.
 *
 * Marks of a linear axis are Heckbert's nice numbers (Graphics Gems, 1990): steps of 1, 2 or 5 times a power of ten.
 * Those of a logarithmic axis are powers of ten, with 2 and 5 between them where there is room.
 */
import type { Axis } from '../../../core/figures.ts';

export interface Scale {
  /** The position of a value; of a category, the middle of its band. */
  at(value: number | string): number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
  /** The width of one category's band; 0 on other axes. */
  readonly band: number;
}

/**
 * The scale of an axis over the values that lie on it.
 *
 * @param from pixel of the low end
 * @param to pixel of the high end
 */
export function scaleOf(axis: Axis, values: readonly (number | string)[], from: number, to: number): Scale {
  if (axis.scale === 'category') return bands([...new Set(values.map(String))], from, to);
  const [low, high] = axis.range ?? extent(values.map(Number), axis.scale === 'log');
  return axis.scale === 'log' ? logarithmic(low, high, from, to) : linear(axis, low, high, from, to);
}

function extent(values: readonly number[], isLog: boolean): [number, number] {
  if (values.length === 0) return isLog ? [1, 10] : [0, 1];
  const low = values.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY);
  if (low < high) return [low, high];
  if (isLog) return [low / 2, low * 2];
  const half = low === 0 ? 0.5 : Math.abs(low) / 2;
  return [low - half, low + half];
}

function linear(axis: Axis, low: number, high: number, from: number, to: number): Scale {
  const step = niceStep(high - low, Math.max(2, Math.abs(to - from) / 60));
  // A stated range ends where it says; a found one is widened to whole steps, so that no mark is cut off.
  const [first, last] =
    axis.range === undefined ? [Math.floor(low / step) * step, Math.ceil(high / step) * step] : [low, high];
  const at = (value: number | string): number => from + ((Number(value) - first) / (last - first)) * (to - from);
  const marks: number[] = [];
  for (let i = Math.ceil(first / step - 1e-9); i * step <= last + 1e-9 * step; i++) marks.push(i * step);
  return { at, band: 0, ticks: marks.map((value) => ({ at: at(value), label: written(value, axis.unit, step) })) };
}

/**
 * The step of about `count` marks over a span: 1, 2 or 5 times a power of ten.
 *
 * @example niceStep(1, 5) // 0.2
 */
export function niceStep(span: number, count: number): number {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const scaled = rough / power;
  return (scaled < 1.5 ? 1 : scaled < 3 ? 2 : scaled < 7 ? 5 : 10) * power;
}

function logarithmic(low: number, high: number, from: number, to: number): Scale {
  const [first, last] = [Math.log10(low), Math.log10(high)];
  const span = last - first;
  const at = (value: number | string): number =>
    from + (span === 0 ? 0.5 : (Math.log10(Number(value)) - first) / span) * (to - from);
  const within = span > 4 ? [1] : [1, 2, 5];
  const every = Math.max(1, Math.ceil((span * within.length) / Math.max(2, Math.abs(to - from) / 50)));
  const marks: number[] = [];
  for (let power = Math.floor(first); power <= Math.ceil(last); power++) {
    for (const factor of within) {
      const value = factor * 10 ** power;
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) marks.push(value);
    }
  }
  const kept = marks.filter((_, i) => i % every === 0);
  return { at, band: 0, ticks: kept.map((value) => ({ at: at(value), label: written(value, undefined, value) })) };
}

function bands(names: readonly string[], from: number, to: number): Scale {
  const band = names.length === 0 ? to - from : (to - from) / names.length;
  const places = new Map(names.map((name, i) => [name, from + (i + 0.5) * band]));
  return {
    at: (value) => places.get(String(value)) ?? from,
    band: Math.abs(band),
    ticks: names.map((name) => ({ at: places.get(name)!, label: name })),
  };
}

/** A mark's number, with as many digits as the step needs; a share as percent. */
function written(value: number, unit: string | undefined, step: number): string {
  if (unit === 'share') return `${plain(100 * value, 100 * step)}%`;
  return plain(value, step);
}

function plain(value: number, step: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3))
    return Number(value.toPrecision(3)).toExponential().replace('e+', 'e');
  const digits = Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return value.toFixed(digits);
}

/** A value as tables and tool tips write it: four digits, a share as percent. */
export function figureText(value: number, unit?: string): string {
  if (unit === 'share') return `${(100 * value).toFixed(1)} %`;
  return String(Number(value.toPrecision(4)));
}
