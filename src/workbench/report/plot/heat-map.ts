/**
 * Matrices as SVG: each cell shaded by its value and, where there is room, with the value in it, so that no shade has to
 * be told from another. A cell that was not measured is crossed and empty, never a colour of the scale.
 */
import type { Matrix } from '../../../core/figures.ts';
import { element, type Markup } from '../markup.ts';
import { figureText } from './scale.ts';
import { px } from './styles.ts';
import { cut, widthOf } from './text.ts';

const most = 680;

/** The drawing's size and contents. */
export function drawMatrix(matrix: Matrix): { width: number; height: number; body: Markup[] } {
  const { rows, columns, values } = matrix;
  const known = values.flat().filter((value) => value !== null);
  const ends = rangeOf(matrix, known);
  const left = Math.min(220, 12 + rows.reduce((widest, row) => Math.max(widest, widthOf(row, 11)), 0));
  const cellWidth = Math.min(96, (most - left - 8) / Math.max(1, columns.length));
  const cellHeight = Math.min(30, Math.max(6, 420 / Math.max(1, rows.length)));
  const longest = columns.reduce((widest, column) => Math.max(widest, widthOf(column, 11)), 0);
  const isSlanted = longest > cellWidth - 4;
  const top = isSlanted ? 14 + Math.min(120, longest * 0.75) : 24;
  const isWritten = cellWidth >= 34 && cellHeight >= 14;
  const body: Markup[] = [];
  const everyRow = Math.ceil(12 / cellHeight);
  rows.forEach((row, i) => {
    const y = top + i * cellHeight;
    if (i % everyRow === 0) body.push(label(cut(row, left - 8, 11), left - 6, y + cellHeight / 2 + 4, 'end'));
    columns.forEach((column, j) => {
      const value = values[i]![j] ?? null;
      body.push(
        ...cell(value, `${row}, ${column}`, left + j * cellWidth, y, cellWidth, cellHeight, ends, matrix, isWritten),
      );
    });
  });
  const everyColumn = isSlanted ? Math.ceil(13 / cellWidth) : 1;
  columns.forEach((column, j) => {
    if (j % everyColumn !== 0) return;
    const x = left + (j + 0.5) * cellWidth;
    body.push(
      isSlanted
        ? element(
            'text',
            { transform: `translate(${px(x)} ${px(top - 6)}) rotate(-45)`, 'font-size': 11, fill: '#333' },
            cut(column, 150, 11),
          )
        : label(column, x, top - 8, 'middle'),
    );
  });
  const height = top + rows.length * cellHeight + 34;
  const scale = known.length === 0 ? 'nothing was measured' : wordsOf(ends, matrix);
  body.push(label(scale, left, height - 10, 'start'));
  const across = left + columns.length * cellWidth + (isSlanted ? 70 : 8);
  return { width: Math.max(across, left + widthOf(scale, 11) + 8), height, body };
}

/** What the shades mean, in words. */
function wordsOf([low, high]: readonly [number, number], { colours, unit }: Matrix): string {
  const ends =
    colours === 'sequential'
      ? `lightest ${figureText(low, unit)}, darkest ${figureText(high, unit)}`
      : `brown down to ${figureText(low, unit)}, white 0, blue up to ${figureText(high, unit)}`;
  return `${ends}; crossed: not measured`;
}

function rangeOf({ colours }: Matrix, known: readonly number[]): readonly [number, number] {
  const low = known.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
  const high = known.reduce((greatest, each) => Math.max(greatest, each), Number.NEGATIVE_INFINITY);
  if (colours === 'sequential') return [low, high];
  const end = Math.max(Math.abs(low), Math.abs(high));
  return [-end, end];
}

function label(text: string, x: number, y: number, anchor: 'start' | 'middle' | 'end'): Markup {
  return element('text', { x: px(x), y: px(y), 'text-anchor': anchor, 'font-size': 11, fill: '#333' }, text);
}

function cell(
  value: number | null,
  where: string,
  x: number,
  y: number,
  width: number,
  height: number,
  [low, high]: readonly [number, number],
  { colours, unit }: Matrix,
  isWritten: boolean,
): Markup[] {
  const box = { x: px(x), y: px(y), width: px(width), height: px(height), stroke: '#fff' };
  if (value === null) {
    return [
      element('rect', { ...box, fill: '#fff', stroke: '#999' }, element('title', {}, `${where}: not measured`)),
      element('path', {
        d: `M${px(x)} ${px(y)}l${px(width)} ${px(height)}m0 ${px(-height)}l${px(-width)} ${px(height)}`,
        stroke: '#999',
      }),
    ];
  }
  const share = high === low ? 0.5 : (value - low) / (high - low);
  const { fill, isDark } = colours === 'sequential' ? blend(white, deep, share) : diverging(share);
  const text = figureText(value, unit).replace(' %', '%');
  return [
    element('rect', { ...box, fill }, element('title', {}, `${where}: ${figureText(value, unit)}`)),
    ...(isWritten
      ? [
          element(
            'text',
            {
              x: px(x + width / 2),
              y: px(y + height / 2 + 4),
              'text-anchor': 'middle',
              'font-size': 11,
              fill: isDark ? '#fff' : '#111',
            },
            cut(text, width - 2, 11),
          ),
        ]
      : []),
  ];
}

type Colour = readonly [number, number, number];
const white: Colour = [250, 250, 247];
const deep: Colour = [11, 60, 93];
const warm: Colour = [140, 45, 4];

function diverging(share: number): { fill: string; isDark: boolean } {
  return share < 0.5 ? blend(white, warm, 1 - 2 * share) : blend(white, deep, 2 * share - 1);
}

function blend(from: Colour, to: Colour, share: number): { fill: string; isDark: boolean } {
  const parts = from.map((channel, i) => Math.round(channel + (to[i]! - channel) * share));
  return { fill: `rgb(${parts.join(',')})`, isDark: share > 0.55 };
}
