/**
 * Which shapes to compile. Every shape costs a session, so sizes are rounded up to a few, and once a budget of them is
 * spent a larger one that is already there is taken instead of a new one.
 */

/** The smallest of 1, 4, 16, 32, 64 and so on by doubling that holds `rows`. */
export function rowBucket(rows: number): number {
  if (rows <= 4) return rows <= 1 ? 1 : 4;
  return powerOfTwo(rows, 16);
}

/** The smallest of `least`, 4 `least`, 16 `least` and so on that holds `size`. */
export function powerOfFour(size: number, least: number): number {
  let power = least;
  while (power < size) power *= 4;
  return power;
}

/** The smallest of `least`, 1.5 `least`, 2 `least`, 3 `least`, 4 `least` and so on that holds `size`. */
export function halfStep(size: number, least: number): number {
  const power = powerOfTwo(size, least);
  return power > least && size <= 0.75 * power ? 0.75 * power : power;
}

/** The smallest power of two from `least` up that holds `size`. */
export function powerOfTwo(size: number, least = 1): number {
  let power = least;
  while (power < size) power *= 2;
  return power;
}

export interface ShapeBookOptions {
  /** Shapes made for their own sake; more only where none of them is large enough. */
  readonly budget: number;
  /** What a run of a shape costs, in any unit. */
  readonly cost: (shape: readonly number[]) => number;
  /** A shape that costs at most this many times the wanted one is taken although a better one could be made. */
  readonly tolerance: number;
}

/** The shapes of one kind of program. */
export class ShapeBook {
  readonly #options: ShapeBookOptions;
  readonly #shapes: (readonly number[])[] = [];

  constructor(options: ShapeBookOptions) {
    this.#options = options;
  }

  /** Whether the budget is spent. */
  get isFull(): boolean {
    return this.#shapes.length >= this.#options.budget;
  }

  /**
   * The shape to use.
   *
   * @param wanted the rounded sizes that would fit best
   * @param fits whether a known shape can do the work; by default one that is as large in every direction
   * @param widest what to make when the budget is spent and nothing fits
   */
  choose(
    wanted: readonly number[],
    fits: (shape: readonly number[]) => boolean = (shape) => shape.every((size, i) => size >= wanted[i]!),
    widest: readonly number[] = wanted.map((size, i) => Math.max(size, ...this.#shapes.map((shape) => shape[i]!))),
  ): readonly number[] {
    const { cost, tolerance } = this.#options;
    let best: readonly number[] | undefined;
    for (const shape of this.#shapes) {
      if (fits(shape) && (best === undefined || cost(shape) < cost(best))) best = shape;
    }
    const hasRoom = !this.isFull;
    if (best !== undefined && (!hasRoom || cost(best) <= tolerance * cost(wanted))) return best;
    const made = hasRoom ? [...wanted] : [...widest];
    this.#shapes.push(made);
    return made;
  }
}
