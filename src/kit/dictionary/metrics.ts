/**
 * What a sparse dictionary is judged by before its features are trusted: how many codes it uses, which latents are
 * dead or dense, and how much of the activations it gives back. Definitions of SAELens (evals.py): explained variance
 * is over all rows at once; its per-batch variant averages ratios and is not given.
 */

export interface CodeStatistics {
  /** Mean number of codes that are not zero. */
  readonly l0: number;
  /** Share of rows on which each latent is used, [latents]. */
  readonly density: Float64Array;
  /** Mean code where it is used; 0 for a latent that never is, [latents]. */
  readonly strength: Float64Array;
  readonly rows: number;
}

/** @param codes [rows, latents], none negative */
export function codeStatistics(codes: Float32Array, latents: number): CodeStatistics {
  const rows = codes.length / latents;
  const density = new Float64Array(latents);
  const strength = new Float64Array(latents);
  for (let at = 0; at < codes.length; at++) {
    if (codes[at]! <= 0) continue;
    density[at % latents]!++;
    strength[at % latents]! += codes[at]!;
  }
  let used = 0;
  for (let latent = 0; latent < latents; latent++) {
    used += density[latent]!;
    if (density[latent]! > 0) strength[latent]! /= density[latent]!;
    density[latent]! /= rows;
  }
  return { l0: used / rows, density, strength, rows };
}

/** Shares of latents: never used on these rows, used on more than 1 % and on more than 10 % of them. */
export function densityShares({ density }: CodeStatistics): { dead: number; above1: number; above10: number } {
  const share = (holds: (x: number) => boolean): number => density.filter(holds).length / density.length;
  return { dead: share((x) => x === 0), above1: share((x) => x > 0.01), above10: share((x) => x > 0.1) };
}

export interface Reconstruction {
  /** 1 - sum of the variances of the residual over sum of those of the data. */
  readonly explained: number;
  /** Mean cosine of a row with its reconstruction. */
  readonly cosine: number;
  /** Mean length of a reconstruction over the mean length of a row. */
  readonly lengths: number;
  /** Mean of |rebuilt|^2 over the mean of x . rebuilt: below 1 where a dictionary shrinks. */
  readonly relativeBias: number;
}

/** Sums over rows from which a {@link Reconstruction} follows; those of several parts add up. */
export interface ReconstructionSums {
  readonly rows: number;
  /** Sums over rows of x, x^2, residual, residual^2, each [width]. */
  readonly x: Float64Array;
  readonly squared: Float64Array;
  readonly residual: Float64Array;
  readonly residualSquared: Float64Array;
  readonly cosine: number;
  readonly length: number;
  readonly rebuiltLength: number;
  readonly rebuiltSquared: number;
  readonly product: number;
}

/** @param x and rebuilt, both [rows, width] */
export function reconstructionSums(x: Float32Array, rebuilt: Float32Array, width: number): ReconstructionSums {
  const sums = {
    rows: x.length / width,
    x: new Float64Array(width),
    squared: new Float64Array(width),
    residual: new Float64Array(width),
    residualSquared: new Float64Array(width),
  };
  let [cosine, length, rebuiltLength, rebuiltSquared, product] = [0, 0, 0, 0, 0];
  for (let at = 0; at < x.length; at += width) {
    let [xx, rr, xr] = [0, 0, 0];
    for (let j = 0; j < width; j++) {
      const [own, other] = [x[at + j]!, rebuilt[at + j]!];
      const left = own - other;
      sums.x[j]! += own;
      sums.squared[j]! += own * own;
      sums.residual[j]! += left;
      sums.residualSquared[j]! += left * left;
      xx += own * own;
      rr += other * other;
      xr += own * other;
    }
    cosine += xx > 0 && rr > 0 ? xr / Math.sqrt(xx * rr) : 0;
    length += Math.sqrt(xx);
    rebuiltLength += Math.sqrt(rr);
    rebuiltSquared += rr;
    product += xr;
  }
  return { ...sums, cosine, length, rebuiltLength, rebuiltSquared, product };
}

export function reconstructionOf(parts: readonly ReconstructionSums[]): Reconstruction {
  const rows = parts.reduce((total, part) => total + part.rows, 0);
  const total = (pick: (part: ReconstructionSums) => number): number =>
    parts.reduce((sum, part) => sum + pick(part), 0);
  const variances = (
    first: (part: ReconstructionSums) => Float64Array,
    second: (part: ReconstructionSums) => Float64Array,
  ): number => {
    let sum = 0;
    for (let j = 0; j < first(parts[0]!).length; j++) {
      const mean = total((part) => first(part)[j]!) / rows;
      sum += total((part) => second(part)[j]!) / rows - mean * mean;
    }
    return sum;
  };
  const left = variances(
    (part) => part.residual,
    (part) => part.residualSquared,
  );
  const whole = variances(
    (part) => part.x,
    (part) => part.squared,
  );
  const product = total((part) => part.product);
  return {
    explained: whole > 0 ? 1 - left / whole : 0,
    cosine: total((part) => part.cosine) / rows,
    lengths: total((part) => part.rebuiltLength) / total((part) => part.length),
    relativeBias: product === 0 ? 0 : total((part) => part.rebuiltSquared) / product,
  };
}

/**
 * How much of the loss that removing a site costs is won back by the reconstruction in its place. Loss recovered alone
 * flatters where the ablation is catastrophic, so the rise of the loss is given beside it.
 *
 * @param clean loss of the model as it is, `patched` with the reconstruction in its place, `ablated` with zeros (or
 *   means) there
 */
export function lossRecovered(loss: { readonly clean: number; readonly patched: number; readonly ablated: number }): {
  readonly recovered: number | undefined;
  readonly rise: number;
} {
  const cost = loss.ablated - loss.clean;
  return {
    recovered: cost > 0 ? (loss.ablated - loss.patched) / cost : undefined,
    rise: loss.patched - loss.clean,
  };
}
