/**
 * Taking part in a run that another process leads: the method's trial bodies, brought to life here.
 *
 * A function cannot be sent, so each worker runs the same method of its own catalogue, with the run's parameters and
 * models, over the same log: whatever the leader computes (a step, a loop's end, a call outside of trials, a complete
 * set) is waited for and replayed, never computed. When the method comes to a set, its body is at hand, bound to the
 * place where it was made, and makes the trials of units that this worker took. Randomness is split by name and calls are
 * addressed by place, so a trial is the same one wherever it is made. All writes carry this worker's lease.
 */
import { AsyncResource } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import { FiducialError, isFiducialError } from '../../core/errors.ts';
import type { Outcome } from '../../core/measures.ts';
import { random, type Random } from '../../core/random.ts';
import type { Json, Ref } from '../../core/values.ts';
import type { AnyMethod, Context, Needs, Resumable, Scope, Seen, TrialItem } from '../../methods/method.ts';
import type { CallLog } from '../../models/ports.ts';
import { canonicalJson } from '../../store/json.ts';
import type { Run, Store } from '../../store/store.ts';
import { openContext } from '../context.ts';
import { observationOf, readOutcome, trialSet } from '../figures.ts';
import { endsRun, haltOf } from '../halt.ts';
import { specOf } from '../identity.ts';
import { openCallLog } from '../ports.ts';
import { methodOf, openAgain } from '../resume.ts';
import { executeChild, parseParams } from '../run.ts';
import { currentFrame, type Frame, inFrame, pathFrom } from '../scope.ts';
import { causeOf, checkedSeen, idOf, idsOf } from '../trials.ts';
import { checkGiven, defaultMaxErrorShare, openWorld, rawGiven, type RunOptions, type World } from '../world.ts';
import type { TrialHalt } from './lead.ts';
import type { Gate } from './gate.ts';
import type { TrialsJob } from './units.ts';

export interface SessionParts {
  readonly store: Store;
  readonly options: RunOptions & { readonly aliases?: Record<string, string> };
  /** Puts a run under this worker's lease. */
  readonly fence: (run: Run) => Run;
  /** How many trials are made at once in this process. */
  readonly gate: Gate;
}

/** A trial of a set, ready to be made. */
interface Body {
  readonly run: Run;
  readonly items: ReadonlyMap<string, string | undefined>;
  make(id: string): Promise<Seen>;
}

/** One worker's part in one run. */
export class Session {
  readonly #parts: SessionParts;
  readonly #control = new AbortController();
  readonly #bodies = new Map<string, Body>();
  readonly #waiting = new Map<string, ((body: Body) => void)[]>();
  /** Trials begun here: a context gives each of its keys once, so none is begun twice in one session. */
  readonly #begun = new Set<string>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    // Every trial and wait listens to it.
    setMaxListeners(0, this.#control.signal);
  }

  get signal(): AbortSignal {
    return this.#control.signal;
  }

  end(reason: Error): void {
    this.#control.abort(reason);
  }

  /** Whether a trial of this unit was begun here before: another session must make it then. */
  hasBegun(job: TrialsJob): boolean {
    return job.items.some((item) => this.#begun.has(placeOfItem(job, item)));
  }

  /**
   * Runs the method alongside its leader, until its outcome or the session's end.
   *
   * @throws FiducialError `worker.other-run` when this machine would make another run of it; what models and files throw
   */
  async open(root: Run): Promise<void> {
    const { store, options, fence } = this.#parts;
    const method = methodOf(root.spec.method);
    const given = await openAgain(root, { ...options, store });
    const { seed, replicate } = root.spec;
    const here = specOf(method, root.spec.params, given, { seed, ...(replicate === undefined ? {} : { replicate }) });
    checkSameRun(root, here);
    const log = await openCallLog(root, true);
    const world = openWorld(options, this.#control, log.spent, fence);
    const checked = checkGiven(method, given);
    // Not awaited: it goes on for as long as the run does. Its end, well or not, is the leader's to tell.
    this.#follow(world, fence(root), method, checked, log).catch((error: unknown) => {
      if (!this.signal.aborted) this.end(error instanceof Error ? error : new Error(String(error)));
    });
  }

  async #follow(
    world: World,
    run: Run,
    method: AnyMethod,
    given: Readonly<Record<string, unknown>>,
    log: Awaited<ReturnType<typeof openCallLog>>,
  ): Promise<Outcome> {
    const root = currentFrame();
    const params = parseParams(method, run.spec.params);
    const own = random(run.spec.seed).split(`replicate ${run.spec.replicate ?? 0}`);
    const { context } = openContext({
      world,
      run: this.#replaying(run, root),
      method,
      given,
      log: { ...log, ...this.#waitingLog(log, root) },
      random: own,
      // A child inside a trial is a part of that trial.
      runChild: (...child) =>
        inTrial(root) ? executeChild(world, run, ...child) : this.#followChild(world, run, ...child),
    });
    return await method.run(this.#participating(context, run, root, own), params);
  }

  /** The child run of a method that calls another: led by the leader, taken part in here. */
  async #followChild(
    world: World,
    parent: Run,
    method: AnyMethod,
    params: unknown,
    given: Readonly<Record<string, unknown>>,
    seed: string,
    key: string,
  ): Promise<Outcome> {
    const whole = parseParams(method, params);
    const raw = checkGiven(method, rawGiven(world, method, given));
    const spec = specOf(method, whole, raw, { seed, parent: { run: parent.id, key } });
    const { run: opened } = await world.store.open(spec);
    const run = world.fence(opened);
    const past = await readOutcome(run);
    if (past !== undefined) return past.outcome;
    const log = await openCallLog(run, true);
    const following = this.#follow(world, run, method, raw, log);
    const outcome = this.#until(async () => (await readOutcome(run))?.outcome);
    // A part that stumbles only lacks bodies; the leader's outcome counts.
    following.catch(() => undefined);
    return await outcome;
  }

  /** A run whose steps outside of trials are waited for, and which the leader alone writes to there. */
  #replaying(run: Run, root: Frame | undefined): Run {
    const isInTrial = (): boolean => inTrial(root);
    return new Proxy(run, {
      get: (target, property) => {
        if (!isInTrial()) {
          if (property === 'step') return async (name: string) => await this.#until(() => target.step(name));
          if (property === 'append') return () => Promise.resolve(undefined);
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** A log whose calls outside of trials are waited for. */
  #waitingLog(log: CallLog, root: Frame | undefined): Pick<CallLog, 'lookup'> {
    return {
      lookup: async (key) =>
        inTrial(root) ? await log.lookup(key) : await this.#until(async () => await log.lookup(key)),
    };
  }

  #participating(context: Context<Needs>, run: Run, root: Frame | undefined, own: Random): Context<Needs> {
    const { store, options } = this.#parts;
    const encode = (bytes: Uint8Array | string) =>
      typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    return {
      ...context,
      progress: () => undefined,
      keep: async (name, bytes, type): Promise<Ref> =>
        inTrial(root) ? await context.keep(name, bytes, type) : await store.artefacts.put(encode(bytes), type),
      loop: async <S>(
        key: string,
        state: Resumable<S>,
        body: (state: S, index: number, scope: Scope) => Promise<S | void>,
      ): Promise<S> => {
        if (inTrial(root)) return await context.loop(key, state, body);
        const end = await this.#until(async () => {
          const saved = await run.checkpoint(key);
          return saved !== undefined && saved.step >= state.steps ? saved : undefined;
        });
        return await state.load(end.bytes);
      },
      trials: async (key, items, body, trialOptions) => {
        if (inTrial(root)) return await context.trials(key, items, body, trialOptions);
        const list = [...items];
        const ids = idsOf(key, list);
        this.#offer(key, run, list, own, body);
        await this.#until(async () => {
          const counts = (await run.counts())[key];
          const made = counts === undefined ? 0 : counts.measured + counts.undetermined + counts.error;
          return made >= ids.length ? true : undefined;
        });
        const found = new Map<string, ReturnType<typeof observationOf>>();
        for await (const trial of run.eachTrial({ set: key })) found.set(trial.item, observationOf(trial));
        const figures = {
          maxErrorShare: options.maxErrorShare ?? defaultMaxErrorShare,
          random: own,
          correction: options.correction,
        };
        return trialSet(
          key,
          ids.map((id) => found.get(id)!),
          figures,
          () => undefined,
        );
      },
    };
  }

  /** The body of a set is here: units that wait for it can begin. */
  #offer<I extends TrialItem>(
    key: string,
    run: Run,
    list: readonly I[],
    own: Random,
    body: (item: I, scope: Scope) => Promise<Seen>,
  ): void {
    const byId = new Map(list.map((item) => [idOf(item), item]));
    const split = own.split('trials').split(key);
    // Bound to here, so that the trial stands where the method stood, and not inside the job that asks for it.
    const make = AsyncResource.bind(async (id: string): Promise<Seen> => {
      const scope: Scope = { random: split.split(id), transcript: (record) => run.keepTranscript(record) };
      return checkedSeen(key, id, await inFrame(`trial/${key}/${id}`, () => body(byId.get(id)!, scope)));
    });
    const items = new Map(list.map((item) => [idOf(item), typeof item === 'string' ? undefined : item.cluster]));
    const offered: Body = { run, items, make: (id) => make(id) };
    const place = placeOfSet(run.id, key);
    this.#bodies.set(place, offered);
    for (const resolve of this.#waiting.get(place) ?? []) resolve(offered);
    this.#waiting.delete(place);
  }

  #body(job: TrialsJob): Promise<Body> {
    const place = placeOfSet(job.run, job.set);
    const here = this.#bodies.get(place);
    if (here !== undefined) return Promise.resolve(here);
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) reject(reasonOf(this.signal));
      this.signal.addEventListener('abort', () => reject(reasonOf(this.signal)), { once: true });
      this.#waiting.set(place, [...(this.#waiting.get(place) ?? []), resolve]);
    });
  }

  /**
   * Makes the trials of a unit that are not recorded yet; each is recorded by itself, and so is what failed.
   *
   * @throws the reason of the session's end
   */
  async perform(job: TrialsJob): Promise<void> {
    for (const item of job.items) this.#begun.add(placeOfItem(job, item));
    const body = await this.#body(job);
    await Promise.all(
      job.items.map((item) =>
        this.#parts.gate.pass(async () => {
          this.signal.throwIfAborted();
          if ((await body.run.trial(job.set, item)) === undefined) await this.#make(body, job, item);
        }),
      ),
    );
  }

  async #make(body: Body, { set }: TrialsJob, item: string): Promise<void> {
    const cluster = body.items.get(item);
    try {
      const seen = await body.make(item);
      await body.run.recordTrial(set, { item, ...(cluster === undefined ? {} : { cluster }), ...seen });
    } catch (error) {
      if (this.signal.aborted) throw reasonOf(this.signal);
      if (isFiducialError(error, 'store.fenced')) {
        this.end(error);
        throw error;
      }
      const halt = haltOf(error, this.signal);
      if (halt !== undefined) return await this.#halt(body.run, { set, status: halt.status, message: halt.message });
      if (endsRun(error)) {
        const known = error instanceof FiducialError ? { code: error.code, hint: error.hint } : {};
        const message = error instanceof Error ? error.message : String(error);
        return await this.#halt(body.run, { set, status: 'failed', message, ...known });
      }
      await body.run.append({ kind: 'trial.failed', data: { set, item, why: causeOf(error) } });
    }
  }

  async #halt(run: Run, halt: TrialHalt): Promise<void> {
    await run.append({ kind: 'trial.halted', data: halt as unknown as Json });
  }

  /** What `probe` finds, once it finds something. */
  async #until<T>(probe: () => Promise<T | undefined>): Promise<T> {
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.5, 500)) {
      if (this.signal.aborted) throw reasonOf(this.signal);
      const found = await probe();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          this.signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, pauseMs);
        this.signal.addEventListener('abort', end, { once: true });
      });
    }
  }
}

function inTrial(root: Frame | undefined): boolean {
  return /^trial\/|\/trial\//.test(`${pathFrom(root)}/`);
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

function placeOfSet(run: string, set: string): string {
  return `${run} ${set}`;
}

function placeOfItem(job: TrialsJob, item: string): string {
  return JSON.stringify([job.run, job.set, item]);
}

/** Code, models, files and data as the leader has them; else this machine would make trials of another run. */
function checkSameRun(run: Run, here: Run['spec']): void {
  const differing: string[] = [];
  const compare = (name: string, there: unknown, mine: unknown): void => {
    const text = (value: unknown): string => canonicalJson((value ?? {}) as Json);
    if (text(there) !== text(mine)) differing.push(name);
  };
  compare('the code of the method', run.spec.hashes.code, here.hashes.code);
  compare('the models', run.spec.models, here.models);
  compare('the files or weights of the models', run.spec.hashes.weights, here.hashes.weights);
  compare('the data', run.spec.hashes.data, here.hashes.data);
  if (differing.length === 0) return;
  throw new FiducialError(
    'worker.other-run',
    `On this machine ${differing.join(' and ')} of run ${run.id} differ from what the run began with`,
    'Bring the version and the files of this machine in line with those where the run was submitted.',
  );
}
