/** Learning-rate schedules: the rate at a step, counted from 0, as plain numbers that are fed to a compiled step. */
import { FiducialError } from '../../core/errors.ts';

export type Schedule = (step: number) => number;

export const constantSchedule =
  (rate: number): Schedule =>
  () =>
    rate;

/**
 * Linear warm-up over the first `warmupSteps`, then a cosine or a line down to `final` at `steps`, then `final`.
 * The first step already moves: its rate is peak / warmupSteps.
 *
 * @example warmupSchedule({ peak: 3e-4, steps: 1000, warmupSteps: 100, shape: 'cosine' })
 */
export function warmupSchedule(options: {
  readonly peak: number;
  readonly steps: number;
  readonly warmupSteps?: number;
  readonly final?: number;
  readonly shape?: 'cosine' | 'linear' | 'constant';
}): Schedule {
  const { peak, steps, warmupSteps = 0, final = 0, shape = 'cosine' } = options;
  if (!(steps > 0) || warmupSteps < 0 || warmupSteps > steps) {
    throw new FiducialError(
      'engine.schedule',
      `${warmupSteps} warm-up steps of ${steps}`,
      'Steps must be more than 0, and warm-up not longer.',
    );
  }
  return (step) => {
    if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
    if (shape === 'constant') return peak;
    const done = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
    const left = shape === 'cosine' ? (1 + Math.cos(Math.PI * done)) / 2 : 1 - done;
    return final + (peak - final) * left;
  };
}
