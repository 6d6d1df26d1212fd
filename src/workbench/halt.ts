/**
 * Why a run ends before its outcome, apart from a fault: cancelled, out of budget, waiting for people. And which errors
 * end a whole run rather than one trial.
 */
import { FiducialError, isFiducialError } from '../core/errors.ts';

/** Thrown through a method to end its run without an outcome; never recorded as an error of a trial. */
export class Halt extends Error {
  override readonly name = 'Halt';
  readonly status: 'stopped' | 'waiting';

  constructor(status: 'stopped' | 'waiting', reason: string, options?: { cause?: unknown }) {
    super(reason, options);
    this.status = status;
  }
}

/** What an error means for the run in which a trial met it. */
export function haltOf(error: unknown, signal: AbortSignal): Halt | undefined {
  if (error instanceof Halt) return error;
  if (isFiducialError(error, 'budget.exhausted')) return new Halt('stopped', error.message, { cause: error });
  if (!signal.aborted) return undefined;
  if (signal.reason instanceof Halt) return signal.reason;
  // What aborted the run is its reason; the errors that follow from it are not.
  return signal.reason instanceof FiducialError
    ? undefined
    : new Halt('stopped', 'cancelled', { cause: signal.reason });
}

/**
 * Whether an error would meet every other trial too, so that going on would only cost time and money: a key that is
 * refused, a model that does not exist, a store that cannot be written, a fault of the method itself.
 */
export function endsRun(error: unknown): boolean {
  if (!isFiducialError(error)) return error instanceof ReferenceError || error instanceof SyntaxError;
  const [family] = error.code.split('.', 1);
  return ['store', 'run', 'method', 'budget'].includes(family!) || hopeless.has(error.code);
}

const hopeless = new Set<string>([
  'endpoint.unauthorised',
  'endpoint.out-of-credit',
  'endpoint.not-found',
  'model.unsupported',
  'model.missing-key',
  'judge.no-model',
  'judge.unknown',
]);
