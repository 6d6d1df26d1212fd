/** `fiducial lab build`: what is to be built, where, and what is told meanwhile. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FiducialError } from '../../core/errors.ts';
import { cacheFolder, SHIPPED_FOLDER } from '../../lab/models/index.ts';
import { buildAll, calibrationTargets, shippedTargets } from '../../workbench/lab/plan.ts';
import { numberFlag } from '../model/numbers.ts';
import { interruptible, readableTime } from '../session.ts';

export interface BuildFlags {
  readonly only?: readonly string[];
  readonly again: boolean;
  readonly into?: string;
  readonly calibration: boolean;
  readonly traits?: string;
  readonly count: string;
}

/** @throws FiducialError `cli.bad-flag`, and those of the builder */
export async function buildLab(flags: BuildFlags): Promise<void> {
  if (flags.calibration && flags.traits === undefined) {
    throw new FiducialError(
      'cli.bad-flag',
      '--calibration without --traits',
      'Name traits: --traits jailbreakable,backdoor.',
    );
  }
  const count = numberFlag('--count', flags.count, { least: 1, isWhole: true })!;
  const targets = flags.calibration
    ? calibrationTargets(flags.traits!.split(',').map((name) => name.trim()), count) // prettier-ignore
    : shippedTargets(flags.only);
  const isClone = existsSync(new URL('../../../src/', import.meta.url));
  const into = flags.into ?? (flags.calibration || !isClone ? cacheFolder() : SHIPPED_FOLDER);
  const { signal, dispose } = interruptible();
  try {
    const built = await buildAll(targets, {
      into,
      work: join(cacheFolder(), '.build'),
      again: flags.again,
      signal,
      say: (line) => process.stdout.write(`${line}\n`),
      onStep(name, { step, steps, loss, tokensPerSecond, shareOfPeak, seconds }) {
        if (step % 50 !== 0 && step !== steps) return;
        const left = readableTime((steps - step) * seconds * 1000);
        process.stderr.write(
          `  ${name}: step ${step} of ${steps}, loss ${loss.toFixed(3)}, ${Math.round(tokensPerSecond)} tokens/s, ${Math.round(100 * shareOfPeak)} % of a bare product, ${left} left\n`,
        );
      },
    });
    process.stdout.write(
      built.length === 0 ? `All there already, in ${into}.\n` : `Built ${built.join(', ')} in ${into}.\n`,
    );
  } finally {
    dispose();
  }
}
