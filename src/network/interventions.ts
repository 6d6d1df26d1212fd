/**
 * Interventions as data: which values of which sites are replaced, scaled or added to, for which texts, layers,
 * positions and heads. A program is specialised to the kinds of sites only, so that a sweep over every layer, head and
 * position runs in one session.
 *
 * Each touched kind gets, a layer: `keep` (a factor, 1 where nothing happens) and `pick` (a row of `rows`, 0 for
 * zeros), both [batch, time, heads]; the value becomes value * keep + rows[pick].
 */
import { FiducialError, show } from '../core/errors.ts';
import { add, expandDims, gather, mul, narrow, reshape, type Tensor, tensor, transpose } from '../engine/index.ts';
import type { Description } from './architecture/description.ts';
import { powerOfTwo } from './buckets.ts';
import { parseSite, type SiteKind, siteShape, type Tap } from './taps.ts';

export interface Intervention {
  /** For example `blocks.3.attn.z`. */
  readonly site: string;
  /** Which texts of the call; all of them when absent. */
  readonly texts?: readonly number[];
  /** Positions in the text, negative from its end; all when absent. For scores and patterns, of the queries. */
  readonly positions?: readonly number[];
  /** Heads, at sites that have them; all when absent. */
  readonly heads?: readonly number[];
  /** What happens to the value: `replace` (the default) takes `value` for it, `add` adds `value`, `scale` multiplies by `factor`. */
  readonly mode?: 'replace' | 'add' | 'scale';
  /**
   * One vector of the site's last size, used everywhere; or one for each position (and head) touched, one after
   * another, positions slowest. A number stands for a vector of it.
   */
  readonly value?: Float32Array | number;
  readonly factor?: number;
}

/** Row length and number of heads of a kind of site; square sites have rows of keys. */
export function rowShape(description: Description, kind: SiteKind, time: number): { heads: number; width: number } {
  const shape = siteShape(description, kind);
  if (shape === 'heads-first') return { heads: description.heads, width: time };
  return shape.length === 2 ? { heads: shape[0]!, width: shape[1]! } : { heads: 1, width: shape[0]! };
}

export interface InterventionInputs {
  readonly [kind: SiteKind]: { readonly keep: Tensor; readonly pick: Tensor; readonly rows: Tensor };
}

/** The kinds that interventions touch, sorted: what a program is specialised to. */
export function touchedKinds(description: Description, interventions: readonly Intervention[]): SiteKind[] {
  return [...new Set(interventions.map(({ site }) => parseSite(description, site).kind))].sort();
}

/**
 * Arrays for one batch.
 * @param members which texts the rows hold; `lengths` their tokens; `offsets` where each begins in its row
 */
export function interventionInputs(
  description: Description,
  interventions: readonly Intervention[],
  batch: { readonly members: readonly number[]; readonly rows: number; readonly time: number },
  lengths: readonly number[],
  offsets: readonly number[],
): InterventionInputs {
  const inputs: Record<SiteKind, { keep: Tensor; pick: Tensor; rows: Tensor }> = {};
  for (const kind of touchedKinds(description, interventions)) {
    const { heads, width } = rowShape(description, kind, batch.time);
    const isBlock =
      parseSite(description, interventions.find(({ site }) => parseSite(description, site).kind === kind)!.site)
        .layer !== undefined;
    const layers = isBlock ? description.layers : 1;
    const cells = layers * batch.rows * batch.time * heads;
    const keep = new Float32Array(cells).fill(1);
    const pick = new Int32Array(cells);
    const rows: Float32Array[] = [new Float32Array(width)];
    for (const intervention of interventions) {
      const site = parseSite(description, intervention.site);
      if (site.kind !== kind) continue;
      const { mode = 'replace' } = intervention;
      batch.members.forEach((text, row) => {
        if (intervention.texts !== undefined && !intervention.texts.includes(text)) return;
        const positions = resolvePositions(intervention.positions, lengths[text]!, intervention.site);
        const chosen = intervention.heads ?? Array.from({ length: heads }, (_, head) => head);
        requireHeads(chosen, heads, intervention.site);
        const vectors =
          mode === 'scale' ? undefined : vectorsOf(intervention, width, positions.length * chosen.length, kind);
        const single = vectors?.length === 1 ? rows.push(vectors[0]!) - 1 : undefined;
        positions.forEach((position, p) =>
          chosen.forEach((head, h) => {
            const cell =
              (((site.layer ?? 0) * batch.rows + row) * batch.time + offsets[row]! + position) * heads + head;
            if (mode === 'scale') keep[cell] = keep[cell]! * (intervention.factor ?? 0);
            else {
              if (mode === 'replace') keep[cell] = 0;
              const vector = single ?? rows.push(vectors![p * chosen.length + h]!) - 1;
              const before = pick[cell]!;
              // A second addition to the same place needs a row of its own.
              pick[cell] =
                mode === 'add' && before !== 0
                  ? rows.push(rows[before]!.map((x, i) => x + rows[vector]![i]!)) - 1
                  : vector;
            }
          }),
        );
      });
    }
    const count = powerOfTwo(rows.length, 16);
    const table = new Float32Array(count * width);
    rows.forEach((row, i) => table.set(row, i * width));
    const shape = [layers, batch.rows, batch.time, heads];
    inputs[kind] = {
      keep: tensor(keep, { shape }),
      pick: tensor(pick, { shape, dtype: 'int32' }),
      rows: tensor(table, { shape: [count, width] }),
    };
  }
  return inputs;
}

function vectorsOf({ value = 0, site }: Intervention, width: number, touched: number, kind: SiteKind): Float32Array[] {
  if (typeof value === 'number') return [new Float32Array(width).fill(value)];
  // Rows of a pattern are as long as the padded batch; a caller's are as long as the text.
  const isSquare = kind === 'attn.pattern' || kind === 'attn.attn_scores';
  if (isSquare && value.length <= width) {
    const row = new Float32Array(width);
    row.set(value);
    return [row];
  }
  if (value.length === width) return [value];
  if (value.length === width * touched)
    return Array.from({ length: touched }, (_, i) => value.subarray(i * width, (i + 1) * width));
  throw new FiducialError(
    'network.intervention',
    `${site}: ${value.length} numbers; a value there has ${width}, and ${touched} are touched`,
    `Pass ${width} numbers, or ${width * touched}.`,
  );
}

/** Positions from the start, of a text with this many tokens. */
export function resolvePositions(positions: readonly number[] | undefined, length: number, what: string): number[] {
  if (positions === undefined) return Array.from({ length }, (_, i) => i);
  return positions.map((position) => {
    const resolved = position < 0 ? position + length : position;
    if (!Number.isInteger(resolved) || resolved < 0 || resolved >= length) {
      throw new FiducialError(
        'network.position',
        `${what}: position ${show(position)} of a text with ${length} tokens`,
        `Positions go from ${-length} to ${length - 1}.`,
      );
    }
    return resolved;
  });
}

function requireHeads(heads: readonly number[], count: number, site: string): void {
  const bad = heads.find((head) => !Number.isInteger(head) || head < 0 || head >= count);
  if (bad !== undefined) {
    throw new FiducialError(
      'network.head',
      `${site}: head ${show(bad)}`,
      count === 1 ? 'The site has no heads.' : `Heads go from 0 to ${count - 1}.`,
    );
  }
}

/** The tap that carries interventions out, traced. */
export function interventionTap(description: Description, inputs: InterventionInputs): Tap {
  return {
    wants: (site) => inputs[parseSite(description, site).kind] !== undefined,
    apply: (name, value) => {
      const { kind, layer } = parseSite(description, name);
      const { keep, pick, rows } = inputs[kind]!;
      const one = (table: Tensor): Tensor =>
        reshape(narrow(table, 0, layer ?? 0, (layer ?? 0) + 1), table.shape.slice(1)); // [batch, time, heads]
      const rowsPicked = gather(rows, one(pick), 0); // [batch, time, heads, width]
      const factor = expandDims(one(keep), 3);
      const shape = siteShape(description, kind);
      if (shape === 'heads-first') {
        // [batch, heads, queries, keys] against [batch, queries, heads, keys]
        return add(mul(value, swapMiddle(factor)), swapMiddle(rowsPicked));
      }
      if (shape.length === 2) return add(mul(value, factor), rowsPicked);
      const flat = (x: Tensor): Tensor => reshape(x, [...x.shape.slice(0, 2), x.shape[3]!]);
      return add(mul(value, flat(factor)), flat(rowsPicked));
    },
  };
}

const swapMiddle = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);
