/**
 * Losses over pairs of replies: DPO and its relatives, traced and as plain numbers.
 *
 * With h = ln[pi/pi0](chosen) - ln[pi/pi0](rejected), log-probabilities summed over the reply's tokens:
 *
 *   dpo             -ln s(beta h)                                     Rafailov et al. 2023, arXiv 2305.18290
 *   cdpo            -(1-e) ln s(beta h) - e ln s(-beta h)             Mitchell 2023, conservative DPO
 *   robust-dpo      [-(1-e) ln s(beta h) + e ln s(-beta h)] / (1-2e)  Chowdhury et al. 2024, arXiv 2403.00409
 *   ipo-summed      (h - 1/(2 beta))^2                                Azar et al. 2023, arXiv 2310.12036
 *   ipo-per-token   the same of the means over tokens                 as TRL computes what it calls IPO
 *
 * The two IPOs have different minima for replies of unequal lengths, and go by one name elsewhere.
 */
import { FiducialError } from '../../core/errors.ts';
import { add, mul, neg, softplus, square, sub, type Tensor } from '../../engine/index.ts';

export const preferenceLosses = ['dpo', 'cdpo', 'robust-dpo', 'ipo-summed', 'ipo-per-token'] as const;
export type PreferenceLoss = (typeof preferenceLosses)[number];

export interface PreferenceSettings {
  readonly loss: PreferenceLoss;
  /** How far the policy may go from the reference: smaller is farther. */
  readonly beta: number;
  /** e: the share of pairs whose order is believed to be wrong; cdpo and robust-dpo alone read it. */
  readonly wrongLabels: number;
}

/** @throws FiducialError `train.preference` for settings that make no loss */
export function checkPreferenceSettings({ loss, beta, wrongLabels }: PreferenceSettings): void {
  const readsLabels = loss === 'cdpo' || loss === 'robust-dpo';
  if (!(beta > 0) || !(wrongLabels >= 0 && wrongLabels < 0.5) || (!readsLabels && wrongLabels !== 0)) {
    throw new FiducialError(
      'train.preference',
      `${loss} with beta ${beta} and ${wrongLabels} wrong labels`,
      readsLabels
        ? 'beta is above 0, and the share of wrong labels from 0 to below 0.5.'
        : 'beta is above 0; only cdpo and robust-dpo reckon with wrong labels.',
    );
  }
}

/**
 * The loss of each pair, traced.
 *
 * @param margin h [pairs]; for `ipo-per-token` the difference of means over tokens
 */
export function preferenceLoss(margin: Tensor, { loss, beta, wrongLabels: e }: PreferenceSettings): Tensor {
  const scaled = mul(margin, beta);
  const [right, wrong] = [softplus(neg(scaled)), softplus(scaled)]; // -ln s(beta h), -ln s(-beta h)
  switch (loss) {
    case 'dpo':
      return right;
    case 'cdpo':
      return add(mul(right, 1 - e), mul(wrong, e));
    case 'robust-dpo':
      return mul(sub(mul(right, 1 - e), mul(wrong, e)), 1 / (1 - 2 * e));
    case 'ipo-summed':
    case 'ipo-per-token':
      return square(sub(margin, 1 / (2 * beta)));
  }
}
