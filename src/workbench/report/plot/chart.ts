/**
 * Plots on two axes as SVG: lines, steps, points and bars, each with its interval as a band or a whisker.
 *
 * Series differ by dash, mark and hatching before they differ by colour, so the picture survives a black-and-white
 * printer. What a point says stands in its `title`.
 */
import type { Axis, Plot, Point, Series } from '../../../core/figures.ts';
import { element, type Markup } from '../markup.ts';
import { figureText, type Scale, scaleOf } from './scale.ts';
import { hatchPattern, markAt, px, type Style, styleOf } from './styles.ts';
import { cut, widthOf } from './text.ts';

const width = 680;
const fontSize = 12;

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The drawing's height and contents; `id` is unique in the page, for patterns. */
export function drawPlot(plot: Plot, id: string): { width: number; height: number; body: Markup[] } {
  const points = plot.series.flatMap((series) => series.points);
  const styles = plot.series.map((series, index) => styleOf(index, series.isReference));
  const legend = drawLegend(plot.series, styles, id);
  const names = plot.x.scale === 'category' ? [...new Set(points.map(({ x }) => String(x)))] : [];
  const longest = names.reduce((most, name) => Math.max(most, widthOf(name, fontSize)), 0);
  const isSlanted = names.length > 0 && longest > (width - 90) / names.length - 6;
  const below = isSlanted ? 40 + Math.min(112, longest * 0.66) : 46;
  const frame: Frame = { left: 68, right: width - 16, top: legend.height + 10, bottom: legend.height + 10 + 250 };
  const height = frame.bottom + below;
  const x = scaleOf(
    plot.x,
    points.map((point) => point.x),
    frame.left + 8,
    frame.right - 8,
  );
  const y = scaleOf(plot.y, valuesOf(plot), frame.bottom, frame.top);
  const body = [
    element('defs', {}, ...styles.map((style, i) => hatchPattern(`${id}-h${i}`, style))),
    ...legend.body,
    ...drawAxes(plot, x, y, frame, isSlanted, height),
    ...plot.series.flatMap((series, index) => drawSeries(plot, series, index, styles[index]!, x, y, frame, id)),
  ];
  return { width, height, body };
}

/** All heights that a plot must show: values, interval ends, and 0 under bars. */
function valuesOf(plot: Plot): number[] {
  return plot.series.flatMap((series) =>
    series.points.flatMap(({ y, low, high }) => [
      y,
      ...(low === undefined ? [] : [low]),
      ...(high === undefined ? [] : [high]),
      ...(series.mark === 'bar' && plot.y.scale === 'linear' ? [0] : []),
    ]),
  );
}

function drawLegend(
  series: readonly Series[],
  styles: readonly Style[],
  id: string,
): { readonly height: number; readonly body: Markup[] } {
  if (series.length < 2) return { height: 0, body: [] };
  const body: Markup[] = [];
  let [at, row] = [8, 0];
  for (const [index, { name, mark }] of series.entries()) {
    const shown = cut(name, 300, fontSize);
    const needed = 40 + widthOf(shown, fontSize) + 16;
    if (at > 8 && at + needed > width) [at, row] = [8, row + 1];
    const y = 12 + row * 20;
    body.push(...sample(mark, styles[index]!, at, y, `url(#${id}-h${index})`));
    body.push(element('text', { x: px(at + 36), y: y + 4, 'font-size': fontSize, fill: '#222' }, shown));
    at += needed;
  }
  return { height: 24 + row * 20, body };
}

function sample(mark: Series['mark'], style: Style, x: number, y: number, fill: string): Markup[] {
  if (mark === 'bar') {
    return [element('rect', { x: px(x + 8), y: y - 6, width: 18, height: 12, fill, stroke: style.colour })];
  }
  const line = element('path', { d: `M${px(x)} ${y}h30`, ...stroke(style) });
  return mark === 'point' ? [markAt(x + 16, y, style)] : [line, markAt(x + 15, y, style)];
}

function stroke({ colour, dash }: Style): Record<string, string | number | undefined> {
  return { stroke: colour, 'stroke-width': 2, fill: 'none', 'stroke-dasharray': dash };
}

function drawAxes(
  plot: Plot,
  x: Scale,
  y: Scale,
  { left, right, top, bottom }: Frame,
  isSlanted: boolean,
  height: number,
): Markup[] {
  const quiet = { stroke: '#d9d9d9', 'stroke-width': 1 };
  const firm = { stroke: '#444', 'stroke-width': 1 };
  const small = { 'font-size': 11, fill: '#333' };
  return [
    ...y.ticks.flatMap((tick) => [
      element('path', { d: `M${left} ${px(tick.at)}H${right}`, ...quiet }),
      element('text', { x: left - 6, y: px(tick.at + 4), 'text-anchor': 'end', ...small }, tick.label),
    ]),
    ...x.ticks.map((tick) =>
      isSlanted
        ? element(
            'text',
            { 'text-anchor': 'end', transform: `translate(${px(tick.at + 4)} ${bottom + 16}) rotate(-40)`, ...small },
            cut(tick.label, 170, 11),
          )
        : element('text', { x: px(tick.at), y: bottom + 17, 'text-anchor': 'middle', ...small }, tick.label),
    ),
    ...x.ticks.map((tick) => element('path', { d: `M${px(tick.at)} ${bottom}v4`, ...firm })),
    element('path', { d: `M${left} ${top}V${bottom}H${right}`, fill: 'none', ...firm }),
    element(
      'text',
      { x: px((left + right) / 2), y: px(height - 6), 'text-anchor': 'middle', 'font-size': fontSize, fill: '#222' },
      titleOf(plot.x),
    ),
    element(
      'text',
      {
        transform: `translate(14 ${px((top + bottom) / 2)}) rotate(-90)`,
        'text-anchor': 'middle',
        'font-size': fontSize,
        fill: '#222',
      },
      cut(titleOf(plot.y), bottom - top, fontSize),
    ),
  ];
}

function titleOf({ label, unit }: Axis): string {
  return unit === undefined || unit === 'share' || unit === 'score' ? label : `${label} (${unit})`;
}

function drawSeries(
  plot: Plot,
  series: Series,
  index: number,
  style: Style,
  x: Scale,
  y: Scale,
  frame: Frame,
  id: string,
): Markup[] {
  if (series.mark === 'bar') return drawBars(plot, series, index, style, x, y, frame, id);
  const shift = series.mark === 'point' && x.band > 0 ? asideOf(plot, index, x.band) : 0;
  const places = series.points.map((point) => ({ point, x: x.at(point.x) + shift, y: y.at(point.y) }));
  const isLine = series.mark !== 'point';
  const marks = places.length <= 40 ? places : [];
  return [
    ...(isLine ? band(places, y, style) : []),
    ...(isLine && places.length > 1 ? [element('path', { d: pathOf(places, series.mark), ...stroke(style) })] : []),
    ...(isLine ? [] : places.flatMap((place) => whisker(place.point, place.x, y, style))),
    ...(isLine ? marks : places).map((place) => markAt(place.x, place.y, style, wordsOf(plot, series, place.point))),
  ];
}

interface Place {
  readonly point: Point;
  readonly x: number;
  readonly y: number;
}

function pathOf(places: readonly Place[], mark: Series['mark']): string {
  const [first, ...rest] = places;
  const step = (place: Place): string =>
    mark === 'step' ? `H${px(place.x)}V${px(place.y)}` : `L${px(place.x)} ${px(place.y)}`;
  return `M${px(first!.x)} ${px(first!.y)}${rest.map(step).join('')}`;
}

/** The interval of a line: a quiet area between its ends. */
function band(places: readonly Place[], y: Scale, { colour }: Style): Markup[] {
  const known = places.filter(({ point }) => point.low !== undefined && point.high !== undefined);
  if (known.length < 2) return [];
  const upper = known.map(({ point, x }) => `${px(x)} ${px(y.at(point.high!))}`);
  const lower = known.map(({ point, x }) => `${px(x)} ${px(y.at(point.low!))}`).reverse();
  return [
    element('path', { d: `M${[...upper, ...lower].join('L')}z`, fill: colour, 'fill-opacity': 0.13, stroke: 'none' }),
  ];
}

function whisker({ low, high }: Point, x: number, y: Scale, { colour }: Style): Markup[] {
  if (low === undefined || high === undefined) return [];
  const [from, to] = [px(y.at(low)), px(y.at(high))];
  const at = px(x);
  return [
    element('path', {
      d: `M${at} ${from}V${to}M${px(x - 4)} ${from}h8M${px(x - 4)} ${to}h8`,
      stroke: colour,
      'stroke-width': 1.5,
      fill: 'none',
    }),
  ];
}

/** Points of several series over one category stand beside each other. */
function asideOf(plot: Plot, index: number, band: number): number {
  const count = plot.series.filter(({ mark }) => mark === 'point').length;
  const own = plot.series.slice(0, index).filter(({ mark }) => mark === 'point').length;
  return (own - (count - 1) / 2) * Math.min(18, (band * 0.7) / count);
}

function drawBars(
  plot: Plot,
  series: Series,
  index: number,
  style: Style,
  x: Scale,
  y: Scale,
  frame: Frame,
  id: string,
): Markup[] {
  const bars = plot.series.filter(({ mark }) => mark === 'bar');
  const own = plot.series.slice(0, index).filter(({ mark }) => mark === 'bar').length;
  const room = x.band > 0 ? x.band : (frame.right - frame.left) / Math.max(1, series.points.length);
  const one = Math.min(70, (room * 0.8) / bars.length);
  const ground = plot.y.scale === 'log' ? frame.bottom : Math.min(frame.bottom, Math.max(frame.top, y.at(0)));
  return series.points.flatMap((point) => {
    const left = x.at(point.x) + (own - bars.length / 2) * one;
    const end = y.at(point.y);
    const [top, height] = [Math.min(ground, end), Math.abs(ground - end)];
    return [
      element(
        'rect',
        {
          x: px(left),
          y: px(top),
          width: px(one - 1),
          height: px(height),
          fill: `url(#${id}-h${index})`,
          stroke: style.colour,
        },
        element('title', {}, wordsOf(plot, series, point)),
      ),
      ...whisker(point, left + one / 2, y, { ...style, colour: '#000' }),
    ];
  });
}

function wordsOf(plot: Plot, series: Series, point: Point): string {
  const of = (value: number): string => figureText(value, plot.y.unit);
  const interval = point.low === undefined || point.high === undefined ? '' : ` [${of(point.low)}, ${of(point.high)}]`;
  const x = typeof point.x === 'string' ? point.x : figureText(point.x, plot.x.unit);
  const label = point.label === undefined ? '' : `, ${point.label}`;
  return `${series.name}: ${x}, ${of(point.y)}${interval}${label}`;
}
