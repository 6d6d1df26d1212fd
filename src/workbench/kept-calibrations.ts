/**
 * What is known of an instrument: the kept calibration of a method, and whether it speaks for the code that ran.
 *
 * A calibration is a file, `calibrations/<family>/<method>.json`, made by `fiducial calibrate <method> --save`. It holds
 * the hash of the method's code: a finding made by other code is not covered by it, and the report says so.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { FiducialError, show } from '../core/errors.ts';
import type { Measure } from '../core/measures.ts';

const measure = z.looseObject({
  name: z.string(),
  value: z.number(),
  low: z.number(),
  high: z.number(),
  n: z.int(),
  confidence: z.number(),
  unit: z.string(),
  better: z.enum(['up', 'down']),
});

export const keptCalibration = z.strictObject({
  format: z.literal('fiducial-calibration'),
  method: z.string(),
  /** Hash of the method's code, with what it imports of methods, kit and lab. */
  code: z.string(),
  kind: z.enum(['finder', 'treatment', 'prover']),
  seed: z.union([z.string(), z.number()]),
  /** Hash over the organisms: parameters, models, weights and data of every case. */
  organisms: z.string(),
  measures: z.array(measure),
  /** What it read of each case; `truth` is what was planted. */
  cases: z.array(
    z.strictObject({
      name: z.string(),
      truth: z.enum(['present', 'absent']),
      reads: z.enum(['present', 'absent']).nullable(),
      why: z.string().optional(),
      organism: z.string(),
    }),
  ),
});
export type KeptCalibration = z.infer<typeof keptCalibration>;

export type CalibrationNote =
  | { readonly state: 'calibrated'; readonly measures: readonly Measure[]; readonly cases: number }
  /** Kept, but for another version of the method's code. */
  | { readonly state: 'stale'; readonly measures: readonly Measure[]; readonly cases: number }
  | { readonly state: 'none' };

/** Where the package keeps its calibrations; beside `src` and beside `dist`. */
export const shippedCalibrations = new URL('../../calibrations/', import.meta.url);

/** The file of a method's calibration. */
export function calibrationFile(method: string, folder: string | URL = shippedCalibrations): URL {
  const base = typeof folder === 'string' ? pathToFileURL(`${folder}/`) : folder;
  return new URL(`${method}.json`, base);
}

/**
 * The kept calibration of a method, or undefined.
 *
 * @throws FiducialError `calibration.unreadable`
 */
export function readCalibration(method: string, folder?: string | URL): KeptCalibration | undefined {
  const file = calibrationFile(method, folder);
  if (!existsSync(file)) return undefined;
  const parsed = keptCalibration.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new FiducialError(
    'calibration.unreadable',
    `The calibration of ${method} is not as this version keeps it: ${show(parsed.error.issues[0]?.message)}`,
    `fiducial calibrate ${method} --save makes it anew.`,
  );
}

/** What a report may say of a method at this code. */
export function calibrationOf(method: string, code: string, folder?: string | URL): CalibrationNote {
  const kept = readCalibration(method, folder);
  if (kept === undefined) return { state: 'none' };
  const measures = kept.measures as readonly Measure[];
  return { state: kept.code === code ? 'calibrated' : 'stale', measures, cases: kept.cases.length };
}

/** Writes a calibration where the package, or a folder, keeps them. @returns the file */
export function writeCalibration(kept: KeptCalibration, folder?: string | URL): URL {
  const file = calibrationFile(kept.method, folder);
  mkdirSync(new URL('./', file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(kept, undefined, 2)}\n`);
  return file;
}
