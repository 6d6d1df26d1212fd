/**
 * A method on cases whose truth is planted: how often it sees what is there, and sees what is not.
 *
 * Every case is a run of its own, recorded and resumed like any other. Sensitivity is the share of `present` cases that
 * the method reads as present, false alarms the share of `absent` ones; what it could not decide is stated as such.
 */
import { FiducialError } from '../core/errors.ts';
import type { Measure } from '../core/measures.ts';
import { rate } from '../core/observations.ts';
import type { Observation } from '../core/observations.ts';
import { random } from '../core/random.ts';
import type { AnyMethod, CalibrationCase, Needs } from '../methods/method.ts';
import { codeHash } from './identity.ts';
import { runMethod, type RunOptions } from './run.ts';

export interface Calibrated {
  readonly method: string;
  readonly code: string;
  readonly measures: readonly Measure[];
  readonly cases: readonly Observation[];
}

/** @throws FiducialError `calibration.none` for a method that states why it has none */
export async function calibrate(method: AnyMethod, options: RunOptions): Promise<Calibrated> {
  const { calibration } = method;
  if ('none' in calibration) {
    throw new FiducialError('calibration.none', `${method.id} has no calibration: ${calibration.none}`, '');
  }
  const own = random(options.seed ?? 1).split('calibration');
  const cases = calibration.cases(own);
  const seen: Observation[] = [];
  for (const [index, each] of cases.entries()) seen.push(await one(method, each, index, options));
  const measures = (['present', 'absent'] as const).flatMap((truth) => {
    const of = seen.filter((_, index) => cases[index]!.truth === truth);
    if (of.every(({ status }) => status !== 'measured')) return [];
    return [
      truth === 'present'
        ? rate(of, { name: 'sensitivity', better: 'up', maxErrorShare: 1 })
        : rate(of, { name: 'false alarms', better: 'down', maxErrorShare: 1 }),
    ];
  });
  return { method: method.id, code: codeHash(method), measures, cases: seen };
}

async function one(
  method: AnyMethod,
  each: CalibrationCase<unknown, Needs>,
  index: number,
  options: RunOptions,
): Promise<Observation> {
  const { calibration } = method;
  if ('none' in calibration) throw new FiducialError('calibration.none', `${method.id} has no calibration`, '');
  const own = random(options.seed ?? 1)
    .split('calibration')
    .split(each.name);
  const params = { ...(method.demo.params as object), ...each.params };
  const item = `${each.name}#${index}`;
  // Planted models of one kind may share an id: without the case in the seed, one case would reopen another's run.
  const seed = `${options.seed ?? 1} ${item}`;
  const result = await runMethod(method, params, await each.given(own), { ...options, seed });
  if (result.status !== 'done') return { item, status: 'undetermined', why: result.reason };
  const reads = calibration.reads(result.outcome);
  return reads === undefined
    ? { item, status: 'undetermined', why: 'its outcome does not decide' }
    : { item, status: 'measured', value: reads === 'present' ? 1 : 0 };
}
