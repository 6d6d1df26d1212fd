/**
 * The context of one running method: each word of `Context` over the run's log.
 *
 * Keys are prefixed with where they are used (`scope.ts`), so a step inside a trial is that trial's own. A key that is
 * used twice in one place would give the first one's value to the second, and is refused.
 */
import { FiducialError, show } from '../core/errors.ts';
import type { Outcome } from '../core/measures.ts';
import type { Random } from '../core/random.ts';
import type { Json, Ref } from '../core/values.ts';
import type {
  AnyMethod,
  Context,
  Given,
  Labeller,
  Method,
  Needs,
  Resumable,
  Scope,
  TranscriptRecord,
} from '../methods/method.ts';
import type { Run } from '../store/store.ts';
import { type Derivation, trialSet } from './figures.ts';
import { Halt, haltOf } from './halt.ts';
import { openLabeller } from './labels.ts';
import { Meter } from './progress.ts';
import type { RunCallLog } from './ports.ts';
import { currentFrame, inFrame, pathFrom } from './scope.ts';
import { runTrials } from './trials.ts';
import { defaultConcurrency, defaultMaxErrorShare, fillRoles, type World } from './world.ts';

export interface ContextParts {
  readonly world: World;
  readonly run: Run;
  readonly method: AnyMethod;
  /** Raw models, checked data. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly log: RunCallLog;
  readonly random: Random;
  /** Runs a child; given by `run.ts`, which knows how a run is opened. */
  readonly runChild: (
    method: AnyMethod,
    params: unknown,
    given: Readonly<Record<string, unknown>>,
    seed: string,
    key: string,
  ) => Promise<Outcome>;
}

export interface OpenContext {
  readonly context: Context<Needs>;
  /** The figures that were taken straight from sets. */
  readonly derived: readonly Derivation[];
  /** Resolves when everything that was written aside is stored. */
  readonly settled: () => Promise<void>;
}

export function openContext(parts: ContextParts): OpenContext {
  const { world, run, random } = parts;
  const { signal, options } = world;
  const root = currentFrame();
  const maxErrorShare = options.maxErrorShare ?? defaultMaxErrorShare;
  const derived: Derivation[] = [];
  const used = new Set<string>();
  const aside: Promise<unknown>[] = [];
  let lastProgressMs = -Infinity;

  /** A key with its place, used once. */
  const claim = (kind: string, key: string): string => {
    const path = pathFrom(root);
    const whole = path === '' ? key : `${path}/${key}`;
    const mark = `${kind} ${whole}`;
    if (used.has(mark)) {
      throw new FiducialError(
        'method.duplicate-key',
        `${parts.method.id} uses the ${kind} key ${show(whole)} twice`,
        'Put what differs into the key, for example the index of the loop.',
      );
    }
    used.add(mark);
    return whole;
  };

  const scopeOf = (own: Random): Scope => ({
    random: own,
    transcript: (record: TranscriptRecord) => run.keepTranscript(record),
  });

  const people: Labeller = openLabeller(run, (name) => claim('labels', name));
  const filled = fillRoles(world, parts.method, parts.given, parts.log, root, people);

  const report = (meter: Meter, done: number, of: number, note: string, errors = 0): void => {
    const progress = meter.read(done, of, note, errors);
    options.onProgress?.(progress);
    const nowMs = performance.now();
    if (nowMs - lastProgressMs < progressEveryMs && done < of) return;
    lastProgressMs = nowMs;
    const { spent: _, ...data } = progress;
    aside.push(run.append({ kind: 'progress', data }));
  };
  parts.log.listen(world.hear);
  const whole = new Meter(run.id, world.spent);

  const context: Context<Needs> = {
    given: filled as Given<Needs>,
    random: random.split('method'),
    signal,

    async step<T extends Json>(key: string, body: (scope: Scope) => Promise<T>): Promise<T> {
      const name = claim('step', key);
      const stored = await run.step(name);
      if (stored !== undefined) return stored.value as T;
      checkSignal(signal);
      const value = await inFrame(`step/${key}`, () => body(scopeOf(random.split('steps').split(name))));
      return (await run.recordStep(name, value)) as T;
    },

    async loop<S>(
      key: string,
      state: Resumable<S>,
      body: (state: S, index: number, scope: Scope) => Promise<S | void>,
    ): Promise<S> {
      const name = claim('loop', key);
      const { steps, every = 100 } = state;
      const saved = await run.checkpoint(name);
      let from = saved?.step ?? 0;
      let at = saved === undefined ? await state.initial() : await state.load(saved.bytes);
      const save = async (step: number): Promise<void> => {
        await run.saveCheckpoint(name, step, await state.save(at));
        from = step;
      };
      const meter = new Meter(run.id, world.spent);
      meter.skip(from);
      const own = random.split('loops').split(name);
      for (let index = from; index < steps; index++) {
        if (signal.aborted) {
          if (index > from) await save(index);
          checkSignal(signal);
        }
        const next = await inFrame(`loop/${key}/${index}`, () => body(at, index, scopeOf(own.split(index))));
        if (next !== undefined) at = next;
        if ((index + 1) % every === 0 || index + 1 === steps) await save(index + 1);
        report(meter, index + 1, steps, key);
      }
      return at;
    },

    async trials(key, items, body, trialOptions) {
      const name = claim('trials', key);
      const meter = new Meter(run.id, world.spent);
      let isFirst = true;
      // Sets inside a trial belong to whoever makes that trial.
      const runSet = (pathFrom(root) === '' ? options.runSet : undefined) ?? runTrials;
      const observations = await runSet(
        {
          run,
          random,
          signal,
          concurrency: trialOptions?.concurrency ?? options.concurrency ?? defaultConcurrency,
          maxErrorShare,
          abort: world.abort,
          onDone(done, errors, of, replayed) {
            if (isFirst) meter.skip(replayed);
            isFirst = false;
            report(meter, done, of, name, errors);
          },
        },
        name,
        items,
        body,
      );
      return trialSet(
        name,
        observations,
        { maxErrorShare, random, correction: options.correction },
        (derivation) => void derived.push(derivation),
      );
    },

    async keep(name: string, bytes: Uint8Array | string, type: string): Promise<Ref> {
      return await run.keep(name, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes, type);
    },

    read: (ref) => world.store.artefacts.get(ref),

    async call<Q, M extends Needs>(method: Method<Q, M>, params: Q, given: Given<M>, key?: string): Promise<Outcome> {
      const name = claim('call', key ?? method.id);
      const seed = random.split('calls').split(name).key;
      return await inFrame(`call/${name}`, () => parts.runChild(method, params, given, seed, name));
    },

    progress: (done, of, note = '') => report(whole, done, of, note),
  };
  places.set(context, { run, world });
  return { context, derived, settled: async () => void (await Promise.all(aside)) };
}

/** Where a context stands. */
export interface Place {
  readonly run: Run;
  readonly world: World;
}
const places = new WeakMap<object, Place>();

/** The run behind a context: for wholes of this layer that read what their children stored. */
export function placeOf(context: Context<Needs>): Place {
  const place = places.get(context);
  if (place === undefined) throw new Error('a context that this runner did not make');
  return place;
}

function checkSignal(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw (
    haltOf(undefined, signal) ?? (signal.reason instanceof Error ? signal.reason : new Halt('stopped', 'cancelled'))
  );
}

/** Followers see a run move; a store does not need every tick. */
const progressEveryMs = 2_000;
