/**
 * What the server and the thread of a run say to each other: plain data that survives structured cloning.
 */
import type { ErrorCode } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import type { Config } from '../../workbench/config.ts';
import type { Filling } from '../../workbench/open-models.ts';

/** How a run is asked for over the API. */
export interface RunRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, Json>>;
  /** Addresses of models and paths of data files, by role. */
  readonly fillings: Readonly<Record<string, Filling>>;
  /** Rows of data, by role, sent with the request. */
  readonly rows: Readonly<Record<string, readonly Json[]>>;
  readonly isDemo: boolean;
  readonly seed?: number | string;
  readonly replicate?: number;
  /** The person said that this may be sent to hosts that are not this machine. */
  readonly isAuthorised: boolean;
}

export interface RescoreRequest {
  readonly verdict: string;
  readonly judge?: string;
  readonly layer?: string;
  readonly isAuthorised: boolean;
}

export type Work =
  | { readonly do: 'run'; readonly request: RunRequest }
  | { readonly do: 'resume'; readonly run: string }
  | { readonly do: 'rescore'; readonly run: string; readonly request: RescoreRequest };

export interface JobStart {
  readonly store: string;
  readonly config: Config;
  readonly work: Work;
}

export type ToJob = { readonly type: 'stop'; readonly reason: string };

export type FromJob =
  | { readonly type: 'opened'; readonly run: string }
  | { readonly type: 'ended'; readonly status: 'done' | 'waiting' | 'stopped'; readonly run: string }
  | {
      readonly type: 'failed';
      readonly error: { readonly code?: ErrorCode; readonly message: string; readonly hint: string };
    };
