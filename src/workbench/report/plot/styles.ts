/**
 * How series are told apart without colour: dashes, marks and hatchings differ first, colours (Okabe and Ito's, whose
 * lightness differs too) come on top. The hundredth series repeats; nobody reads a hundred in one plot.
 */
import { element, type Markup } from '../markup.ts';

export interface Style {
  readonly colour: string;
  /** SVG's `stroke-dasharray`; undefined is unbroken. */
  readonly dash: string | undefined;
  readonly mark: (typeof marks)[number];
  readonly hatch: (typeof hatches)[number];
}

const colours = ['#0b3c5d', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#7a5c00', '#000000'];
const dashes = [undefined, '7 4', '2 3', '9 3 2 3', '12 4', '4 2 1 2'];
const marks = ['disc', 'square', 'triangle', 'diamond', 'ring', 'cross'] as const;
const hatches = ['solid', 'rising', 'dots', 'falling', 'level', 'blank'] as const;

/** The style of the i-th series; references are grey and finely broken. */
export function styleOf(index: number, isReference = false): Style {
  const own = {
    mark: marks[index % marks.length]!,
    hatch: hatches[index % hatches.length]!,
  };
  return isReference
    ? { colour: '#6b6b6b', dash: '3 3', ...own }
    : { colour: colours[index % colours.length]!, dash: dashes[index % dashes.length], ...own };
}

/** A mark at a place, with what a reader sees on pointing at it. */
export function markAt(x: number, y: number, { mark, colour }: Style, title?: string, radius = 3.5): Markup {
  const r = radius;
  const tip = title === undefined ? undefined : element('title', {}, title);
  const path = (d: string, fill: string): Markup =>
    element('path', { d, fill, stroke: colour, 'stroke-width': 1.5 }, tip);
  if (mark === 'disc') return element('circle', { cx: px(x), cy: px(y), r, fill: colour }, tip);
  if (mark === 'ring') {
    return element('circle', { cx: px(x), cy: px(y), r, fill: '#fff', stroke: colour, 'stroke-width': 1.5 }, tip);
  }
  if (mark === 'square') return path(`M${px(x - r)} ${px(y - r)}h${2 * r}v${2 * r}h${-2 * r}z`, '#fff');
  if (mark === 'triangle') return path(`M${px(x)} ${px(y - r - 1)}l${r + 1} ${2 * r}h${-2 * (r + 1)}z`, colour);
  if (mark === 'diamond')
    return path(`M${px(x)} ${px(y - r - 1)}l${r + 1} ${r + 1}l${-r - 1} ${r + 1}l${-r - 1} ${-r - 1}z`, '#fff');
  return path(`M${px(x - r)} ${px(y - r)}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`, 'none');
}

/** The pattern of a hatching, to stand in `defs` under this id. */
export function hatchPattern(id: string, { hatch, colour }: Style): Markup {
  const line = { stroke: colour, 'stroke-width': 1.5, fill: 'none' };
  const inside = {
    solid: element('rect', { width: 6, height: 6, fill: colour }),
    rising: element('path', { d: 'M-1 7L7 -1', ...line }),
    falling: element('path', { d: 'M-1 -1L7 7', ...line }),
    level: element('path', { d: 'M0 3H6', ...line }),
    dots: element('circle', { cx: 3, cy: 3, r: 1.3, fill: colour }),
    blank: undefined,
  }[hatch];
  return element(
    'pattern',
    { id, width: 6, height: 6, patternUnits: 'userSpaceOnUse' },
    element('rect', { width: 6, height: 6, fill: '#fff' }),
    inside,
  );
}

/** Pixels with two digits: enough to see, and short. */
export function px(value: number): number {
  return Math.round(value * 100) / 100;
}
