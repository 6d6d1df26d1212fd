/**
 * What a method is, and what it is given while it runs.
 *
 * A method is a plain object: what it needs (roles), what can be set (a zod schema, which also drives flags, forms and
 * docs), what it is tried on (a demonstration, a calibration), and `run`, which shows the whole algorithm. The runner
 * hands it a {@link Context}: whatever goes through it is stored once and replayed, so that a killed run goes on where
 * it stood. A role that was not declared does not compile. Needs zod 4 and the interfaces of `models` and `core`.
 */
import type { z } from 'zod';
import type { MeanOptions, Observation, ObservedMeasure, ObservedRate, RateOptions } from '../core/observations.ts';
import type { Outcome } from '../core/measures.ts';
import type { Random } from '../core/random.ts';
import type { Json, Ref, Source } from '../core/values.ts';
import type { Capability } from '../models/capabilities.ts';
import type { Model, ScoredModel } from '../models/model.ts';
import type { OpenModel } from '../models/open/local-model.ts';

/** The shelves of the catalogue. */
export const families = [
  'redteam',
  'evaluate',
  'audit',
  'interpret',
  'guard',
  'train',
  'tamper',
  'oversee',
  'control',
  'unlearn',
  'verify',
  'provenance',
  'decide',
] as const;
export type Family = (typeof families)[number];

/** The ladder of access. Weights are a model opened in this process, with its network and tokenizer. */
export interface Access {
  readonly chat: Model;
  readonly logprobs: ScoredModel;
  readonly weights: OpenModel;
}

// -------------------------------------------------------------------------------------------------------------- needs

interface NeedWords {
  /** What it is for, as help shows it: `the model under attack`. */
  readonly title: string;
  readonly isOptional: boolean;
}
export interface ModelNeed<A extends keyof Access = keyof Access> extends NeedWords {
  readonly kind: 'model';
  readonly access: A;
  /** Opened with this much where the model offers it, and used with less where it does not. @default access */
  readonly prefers?: keyof Access;
  /** Features that an ask of this method uses; checked before the run. */
  readonly capabilities?: readonly Capability[];
}
/** Several models in one role, side by side. */
export interface ModelsNeed<A extends keyof Access = keyof Access> extends NeedWords {
  readonly kind: 'models';
  readonly access: A;
  readonly capabilities?: readonly Capability[];
}
/** Rows of the user's or a shipped set, each checked against a schema. */
export interface DataNeed<T = unknown> extends NeedWords {
  readonly kind: 'data';
  readonly row: z.ZodType<T>;
}
/** People who answer questions; the run waits for them without holding a process. */
export interface LabellerNeed extends NeedWords {
  readonly kind: 'labeller';
}
export type Need = ModelNeed | ModelsNeed | DataNeed | LabellerNeed;
/** A need that must be filled. */
type Filling<N extends Need> = N & { readonly isOptional: false };
export type Needs = Readonly<Record<string, Need>>;

/** A need for one model. @example needs: { target: model('chat', 'the model under attack') } */
export function model<A extends keyof Access>(
  access: A,
  title: string,
  capabilities: readonly Capability[] = [],
): Filling<ModelNeed<A>> {
  return { kind: 'model', access, title, capabilities, isOptional: false };
}

/** A need for several models of one access. */
export function models<A extends keyof Access>(
  access: A,
  title: string,
  capabilities: readonly Capability[] = [],
): Filling<ModelsNeed<A>> {
  return { kind: 'models', access, title, capabilities, isOptional: false };
}

/** A need for rows. @example needs: { requests: data(z.object({ id: z.string(), request: z.string() }), 'what to ask') } */
export function data<T>(row: z.ZodType<T>, title: string): Filling<DataNeed<T>> {
  return { kind: 'data', row, title, isOptional: false };
}

/** Rows as what fills a data role. @example dataOf('requests', [{ id: 'a', request: 'say it' }]) */
export function dataOf<T>(name: string, rows: readonly T[]): Dataset<T> {
  return { name, rows };
}

/** A need for people. */
export function labeller(title: string): Filling<LabellerNeed> {
  return { kind: 'labeller', title, isOptional: false };
}

/** The same need, which may be left open. */
export function optional<A extends keyof Access>(need: ModelNeed<A>): ModelNeed<A>;
export function optional<A extends keyof Access>(need: ModelsNeed<A>): ModelsNeed<A>;
export function optional<T>(need: DataNeed<T>): DataNeed<T>;
export function optional(need: LabellerNeed): LabellerNeed;
export function optional(need: Need): Need {
  return { ...need, isOptional: true };
}

// -------------------------------------------------------------------------------------------------------------- given

/** Rows under a name. Their hash, taken by the runner, stands for them in the run's identity; the name does not. */
export interface Dataset<T = unknown> {
  readonly name: string;
  readonly rows: readonly T[];
}

export interface Question {
  readonly item: string;
  /** What the person sees. */
  readonly show: Json;
}
export interface Answer {
  readonly labeller: string;
  readonly value: Json;
}
export interface Labeller {
  /**
   * Answers by item, once every item has one. Until then the run ends in the status `waiting`; resuming it comes back
   * here. What is returned is stored, so that later labels do not change a figure.
   */
  ask(
    name: string,
    questions: readonly Question[],
    choices?: readonly Json[],
  ): Promise<ReadonlyMap<string, readonly Answer[]>>;
}

type Filled<N extends Need> =
  N extends ModelNeed<infer A>
    ? Access[A]
    : N extends ModelsNeed<infer A>
      ? readonly Access[A][]
      : N extends DataNeed<infer T>
        ? Dataset<T>
        : Labeller;

/** What fills each declared role; a role that is optional may be undefined, one that is not declared does not exist. */
export type Given<N extends Needs> = {
  readonly [R in keyof N]: N[R]['isOptional'] extends false ? Filled<N[R]> : Filled<N[R]> | undefined;
};

// ------------------------------------------------------------------------------------------------------------- trials

/** What a trial says of its item. An error is thrown, never returned: only the runner knows that a trial failed. */
export type Seen =
  | { readonly status: 'measured'; readonly value: number; readonly why?: string; readonly transcript?: Ref }
  | { readonly status: 'undetermined'; readonly why: string; readonly transcript?: Ref };

/** An item of a trial set: its id is unique in the set and pairs it with other runs; a cluster groups what depends. */
export type TrialItem = string | { readonly id: string; readonly cluster?: string | undefined };

/** Inside one step, trial or iteration: its own randomness, independent of order and concurrency. */
export interface Scope {
  readonly random: Random;
  /** Stores what was said, so that another judge can read it later. */
  readonly transcript: (record: TranscriptRecord) => Promise<Ref>;
}

/** What a judge needs to judge again: what was wanted, what was sent, and what came back. */
export interface TranscriptRecord {
  /** The behaviour or question at stake, as a judge is told it. */
  readonly request: string;
  /** The reply that is judged. */
  readonly reply: string;
  /** What was really sent, where that differs, and whatever else a reader may want. */
  readonly [more: string]: Json;
}

export interface TrialOptions {
  /** Trials at once; the run's own unless told. */
  readonly concurrency?: number;
}

/**
 * The trials of one set, in the order of the items whatever the order in which they ran. Rates and means taken here
 * are remembered with their options, so that another judge's reading gives the same figures again.
 */
export interface TrialSet {
  readonly key: string;
  readonly observations: readonly Observation[];
  rate(options: SetRateOptions): ObservedRate;
  mean(options: MeanOptions): ObservedMeasure;
}
export interface SetRateOptions extends Omit<RateOptions, 'judge'> {
  /** Identity of the judge that made the values; a rate whose judge was measured on this task is corrected. */
  readonly judge?: string;
}

/** A loop's state: how it begins, and how it becomes bytes and is read back. */
export interface Resumable<S> {
  readonly steps: number;
  initial(): S | Promise<S>;
  save(state: S): Uint8Array | Promise<Uint8Array>;
  load(bytes: Uint8Array): S | Promise<S>;
  /** A checkpoint after this many steps; one is also made when the run is cancelled. @default 100 */
  readonly every?: number;
}

// ------------------------------------------------------------------------------------------------------------ context

/** A method's whole world while it runs. */
export interface Context<N extends Needs> {
  readonly given: Given<N>;
  /** Split from the run's seed; the same on resume. */
  readonly random: Random;
  /** Aborts when the run is cancelled, out of budget or fails; pass it to every model call. */
  readonly signal: AbortSignal;
  /** Stored once and replayed on resume: what comes back is what was stored, in the first run too. */
  readonly step: <T extends Json>(key: string, body: (scope: Scope) => Promise<T>) => Promise<T>;
  /** Runs the body `steps` times over a state that is kept as bytes; goes on from the newest checkpoint. */
  readonly loop: <S>(
    key: string,
    state: Resumable<S>,
    body: (state: S, index: number, scope: Scope) => Promise<S | void>,
  ) => Promise<S>;
  /**
   * One observation an item, concurrently; a finished one is never run again. A body that throws is an error of that
   * item alone, until their share passes the run's limit.
   */
  readonly trials: <I extends TrialItem>(
    key: string,
    items: Iterable<I>,
    body: (item: I, scope: Scope) => Promise<Seen>,
    options?: TrialOptions,
  ) => Promise<TrialSet>;
  /** Keeps bytes under a name; the reference opens them from anywhere. */
  readonly keep: (name: string, bytes: Uint8Array | string, type: string) => Promise<Ref>;
  /**
   * What a reference stands for: a transcript that a trial stored, a child's product. Its hash is checked, so what is
   * read is what was written, on resume too. Throws `store.missing`, `store.purged` or `store.corrupt`.
   */
  readonly read: (ref: Ref) => Promise<Uint8Array>;
  /** Another method as a child run, with its own log under the same budget. */
  readonly call: <Q, M extends Needs>(
    method: Method<Q, M>,
    params: Q,
    given: Given<M>,
    key?: string,
  ) => Promise<Outcome>;
  readonly progress: (done: number, of: number, note?: string) => void;
}

// ------------------------------------------------------------------------------------------------------------- method

/** The smallest honest run: real parameters and models that need no key, no network and a few seconds. */
export interface Demo<P, N extends Needs> {
  readonly params: P;
  /** Fresh models each time; the same seed gives the same replies. */
  readonly given: () => Given<N> | Promise<Given<N>>;
}

/** One case with a planted truth. */
export interface CalibrationCase<P, N extends Needs> {
  readonly name: string;
  /** Whether the trait is there (an organism) or not (its clean twin). */
  readonly truth: 'present' | 'absent';
  readonly params?: Partial<P>;
  given(random: Random): Given<N> | Promise<Given<N>>;
}

/**
 * How a method's sensitivity and false-alarm rate are measured: cases whose truth is known, and how its outcome is
 * read. For a treatment `present` is the treatment and `absent` a sham; for a prover, theorems and counterexamples.
 */
export interface Calibration<P, N extends Needs> {
  readonly kind: 'finder' | 'treatment' | 'prover';
  cases(random: Random): readonly CalibrationCase<P, N>[];
  /** What the outcome says; undefined where it does not decide. */
  reads(outcome: Outcome): 'present' | 'absent' | undefined;
}

export interface Method<P, N extends Needs> {
  readonly id: `${Family}/${string}`;
  readonly title: string;
  /** What it answers, in one sentence. */
  readonly question: string;
  readonly sources: readonly Source[];
  readonly needs: N;
  readonly params: z.ZodType<P>;
  readonly demo: Demo<P, N>;
  /** Or why it has none yet. */
  readonly calibration: Calibration<P, N> | { readonly none: string };
  run(context: Context<N>, params: P): Promise<Outcome>;
}

/**
 * The method as it is, with its types worked out: the roles of `needs` and the fields of `params` are checked in `run`.
 *
 * @example
 * export const hello = defineMethod({
 *   id: 'evaluate/hello', needs: { target: model('chat', 'who is greeted') },
 *   params: z.object({ times: z.int().min(1).default(1).describe('How often') }),
 *   async run({ given, trials, signal }, params) { ... given.target ... given.judge // does not compile
 *   }, ...
 * });
 */
export function defineMethod<P, const N extends Needs>(method: Method<P, N>): Method<P, N> {
  return method;
}

/** Any method, as the catalogue and the runner hold it: what its roles and fields are is known only inside it. */
export type AnyMethod = Method<unknown, Needs>;
