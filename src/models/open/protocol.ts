/**
 * What a model's worker and its owner say to each other: plain data that survives structured cloning. A call has an id;
 * its answer is one `value`, or `event`s and a `done`, or an `error`. Errors cross as code, message and hint.
 */
import { type ErrorCode, FiducialError, isFiducialError } from '../../core/errors.ts';
import type { Ask, Capabilities, ReplyEvent } from '../model.ts';
import type { CompletionSettings, OpenModelOptions } from './local-model.ts';

/** What the worker is started with. */
export interface WorkerStart {
  readonly folder: string;
  readonly options: OpenModelOptions;
}

/** Calls that stream events. */
export type StreamCall =
  | { readonly do: 'reply'; readonly ask: Ask; readonly incremental: boolean }
  | {
      readonly do: 'complete';
      readonly text: string;
      readonly settings: CompletionSettings;
      readonly incremental: boolean;
    };

/** Calls that give one value. */
export type ValueCall =
  | { readonly do: 'countTokens'; readonly ask: Ask }
  | { readonly do: 'logprobs'; readonly ask: Ask; readonly completion: string }
  | { readonly do: 'score'; readonly text: string; readonly top: number }
  | { readonly do: 'embed'; readonly texts: readonly string[] };

export type ToWorker =
  | { readonly type: 'call'; readonly id: number; readonly call: StreamCall | ValueCall }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' };

export interface PlainError {
  /** Absent for a fault that is no FiducialError. */
  readonly code?: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

export type FromWorker =
  | {
      readonly type: 'open';
      readonly id: string;
      readonly weightsHash: string | undefined;
      readonly capabilities: Capabilities;
    }
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'event'; readonly id: number; readonly event: ReplyEvent }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'value'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: PlainError };

/** An error as it crosses. */
export function toPlain(error: unknown): PlainError {
  if (isFiducialError(error)) return { code: error.code, message: error.message, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  return { message, hint: 'This is a fault of the program: please report what was asked.' };
}

/** The error on the other side. */
export function fromPlain({ code, message, hint }: PlainError): FiducialError {
  return new FiducialError(code ?? 'model.fault', message, hint);
}
