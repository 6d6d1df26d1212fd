/**
 * The threshold that keeps a guard's refusals of benign traffic within a budget.
 *
 * Split-conformal (Vovk et al. 2005): with the threshold at the k-th largest of n benign scores and a block only above
 * it, an exchange drawn like the n is refused with probability at most k / (n + 1), whatever the scores' distribution.
 * So k = floor(budget (n + 1)). The guarantee speaks for traffic like the calibration's and for the average over such
 * calibrations; a third, disjoint benign set tells what it came to.
 */
import { FiducialError, show } from '../../core/errors.ts';

export interface RefusalThreshold {
  /** A score above it is blocked. */
  readonly threshold: number;
  /** Benign scores above it, of `n`. */
  readonly refused: number;
  readonly n: number;
  /** The bound on the chance that the next benign exchange is refused; above the budget where n is too small for it. */
  readonly guaranteed: number;
}

/**
 * @param benign scores of benign traffic that nothing was trained or chosen on
 * @param budget the share of benign traffic that may be refused, in (0, 1)
 * @throws FiducialError `classifier.no-benign` for no scores, `classifier.bad-budget`
 * @example refusalThreshold([0.1, 0.2, 0.3, 0.4], 0.4) // { threshold: 0.3, refused: 1, n: 4, guaranteed: 0.4 }
 */
export function refusalThreshold(benign: ArrayLike<number>, budget: number): RefusalThreshold {
  const n = benign.length;
  if (n === 0) {
    throw new FiducialError(
      'classifier.no-benign',
      'There is no benign exchange to set a threshold on',
      `Give at least ${Math.ceil(1 / budget) - 1} of them.`,
    );
  }
  if (!(budget > 0 && budget < 1)) {
    throw new FiducialError('classifier.bad-budget', `The refusal budget is ${show(budget)}`, 'Pass a share, as 0.01.');
  }
  const falling = Float64Array.from(benign).sort().reverse();
  // With too few to promise the budget the largest score is the threshold, and the promise is what it is.
  const k = Math.max(1, Math.min(n, Math.floor(budget * (n + 1) + 1e-9)));
  const threshold = falling[k - 1]!;
  return { threshold, refused: falling.filter((score) => score > threshold).length, n, guaranteed: k / (n + 1) };
}
