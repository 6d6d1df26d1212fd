/**
 * A method on cases whose truth is planted: how often it sees what is there, and sees what is not.
 *
 * Every case is a run of its own, recorded and resumed like any other. Sensitivity is the share of `present` cases that
 * the method reads as present, false alarms the share of `absent` ones; what it could not decide is stated as such. A
 * calibration can be kept as a file; two hashes say whether it still speaks for a method: of its code, and of every
 * organism.
 */
import { FiducialError } from '../core/errors.ts';
import type { Measure } from '../core/measures.ts';
import { rate } from '../core/observations.ts';
import type { Observation } from '../core/observations.ts';
import { random } from '../core/random.ts';
import type { AnyMethod, Calibration, CalibrationCase, Given, Needs } from '../methods/method.ts';
import { canonicalJson, sha256 } from '../store/json.ts';
import { codeHash, specOf } from './identity.ts';
import type { KeptCalibration } from './kept-calibrations.ts';
import { parseParams, runMethod, type RunOptions } from './run.ts';

export interface Calibrated {
  readonly method: string;
  readonly code: string;
  readonly measures: readonly Measure[];
  readonly cases: readonly Observation[];
  /** The same as it is kept in a file. */
  readonly kept: KeptCalibration;
}

export interface CalibrateOptions extends RunOptions {
  /** Only these cases, by their place. @default all */
  readonly only?: (index: number, name: string) => boolean;
}

type KeptCase = KeptCalibration['cases'][number];

/** @throws FiducialError `calibration.none` for a method that states why it has none */
export async function calibrate(method: AnyMethod, options: CalibrateOptions): Promise<Calibrated> {
  const { kind } = calibrationOfMethod(method);
  const seed = options.seed ?? 1;
  const cases = casesOf(method, seed).filter(({ each, index }) => options.only?.(index, each.name) ?? true);
  const seen: Observation[] = [];
  const kept: KeptCase[] = [];
  for (const { each, index, item, own } of cases) {
    const given = await each.given(own);
    const observation = await one(method, each, given, item, { ...options, seed: `${seed} ${item}` });
    seen.push(observation);
    kept.push({
      name: `${each.name}#${index}`,
      truth: each.truth,
      reads: observation.status === 'measured' ? (observation.value === 1 ? 'present' : 'absent') : null,
      ...(observation.status === 'measured' ? {} : { why: observation.why }),
      organism: organismHash(method, each, given),
    });
  }
  const measures = (['present', 'absent'] as const).flatMap((truth) => {
    const of = seen.filter((_, i) => cases[i]!.each.truth === truth);
    if (of.every(({ status }) => status !== 'measured')) return [];
    return [
      truth === 'present'
        ? rate(of, { name: 'sensitivity', better: 'up', maxErrorShare: 1 })
        : rate(of, { name: 'false alarms', better: 'down', maxErrorShare: 1 }),
    ];
  });
  const code = codeHash(method);
  return {
    method: method.id,
    code,
    measures,
    cases: seen,
    kept: {
      format: 'fiducial-calibration',
      method: method.id,
      code,
      kind,
      seed,
      organisms: hashOfOrganisms(kept.map(({ organism }) => organism)),
      measures: measures as unknown as KeptCalibration['measures'],
      cases: kept,
    },
  };
}

/** The hash of all organisms that a method is calibrated on, without running it. */
export async function organismsHash(method: AnyMethod, seed: number | string): Promise<string> {
  const hashes: string[] = [];
  for (const { each, own } of casesOf(method, seed)) hashes.push(organismHash(method, each, await each.given(own)));
  return hashOfOrganisms(hashes);
}

function hashOfOrganisms(hashes: readonly string[]): string {
  return sha256(hashes.join('\n'));
}

/** One case's: what it sets, and the models, weights and data it is made of. */
function organismHash(method: AnyMethod, each: CalibrationCase<unknown, Needs>, given: Given<Needs>): string {
  const { params, models, hashes } = specOf(method, paramsOf(method, each), given, { seed: 0 });
  return sha256(
    canonicalJson({ params, models, weights: hashes.weights ?? {}, data: hashes.data ?? {}, truth: each.truth }),
  );
}

function paramsOf(method: AnyMethod, each: CalibrationCase<unknown, Needs>): unknown {
  return parseParams(method, { ...(method.demo.params as object), ...each.params });
}

function casesOf(method: AnyMethod, seed: number | string) {
  const own = random(seed).split('calibration');
  return calibrationOfMethod(method)
    .cases(own)
    .map((each, index) => ({ each, index, item: `${each.name}#${index}`, own: own.split(each.name) }));
}

function calibrationOfMethod({ id, calibration }: AnyMethod): Calibration<unknown, Needs> {
  if (!('none' in calibration)) return calibration;
  throw new FiducialError('calibration.none', `${id} has no calibration: ${calibration.none}`, '');
}

/** Planted models of one kind may share an id: without the case in the seed, one case would reopen another's run. */
async function one(
  method: AnyMethod,
  each: CalibrationCase<unknown, Needs>,
  given: Given<Needs>,
  item: string,
  options: RunOptions,
): Promise<Observation> {
  const result = await runMethod(method, paramsOf(method, each) as object, given, options);
  if (result.status !== 'done') return { item, status: 'undetermined', why: result.reason };
  const reads = calibrationOfMethod(method).reads(result.outcome);
  return reads === undefined
    ? { item, status: 'undetermined', why: 'its outcome does not decide' }
    : { item, status: 'measured', value: reads === 'present' ? 1 : 0 };
}
