/**
 * Takes a run up again by its id: its method, parameters, seed and data as they were, its models by their addresses.
 *
 * What was asked is in the run itself (the event `request`). Code or files that changed since would make it another run,
 * and that is said instead of quietly beginning a new one.
 */
import { FiducialError, nearestWord } from '../core/errors.ts';
import type { Json, Ref } from '../core/values.ts';
import { catalogue } from '../methods/index.ts';
import { loop } from './loop/loop.ts';
import { type AnyMethod, dataOf, type Given, type Needs } from '../methods/method.ts';
import { canonicalJson } from '../store/json.ts';
import type { Run, RunSpec } from '../store/store.ts';
import { specOf } from './identity.ts';
import { type Filling, openGiven, type OpenOptions } from './open-models.ts';
import { runMethod, type RunOptions, type RunResult } from './run.ts';

/** What a stored run can be of: the catalogue's methods and the wholes made of them. */
const runnable = (): readonly AnyMethod[] => [...catalogue, loop];

/** How a run was asked for: what `RunOptions.request` holds when a command made it. */
export interface Request {
  readonly isDemo?: boolean;
  readonly fillings?: Readonly<Record<string, Filling>>;
  /** The command that asked for it, word by word. */
  readonly command?: readonly string[];
}

/**
 * The method of this id.
 *
 * @throws FiducialError `method.unknown`, with the nearest one
 */
export function methodOf(id: string, methods: readonly AnyMethod[] = catalogue): AnyMethod {
  const found = methods.find((each) => each.id === id);
  if (found !== undefined) return found;
  const ids = methods.map((each) => each.id);
  const short = ids.find((each) => each.endsWith(`/${id}`));
  const meant =
    short ??
    nearestWord(id, ids) ??
    nearestWord(
      id,
      ids.map((each) => each.split('/')[1]!),
    );
  throw new FiducialError(
    'method.unknown',
    `There is no method ${JSON.stringify(id)}`,
    meant === undefined ? 'fiducial methods lists them.' : `Did you mean ${meant}?`,
  );
}

/** What filled the roles of a run, opened again. */
export async function openAgain(run: Run, options: RunOptions & OpenOptions): Promise<Record<string, unknown>> {
  const method = methodOf(run.spec.method, runnable());
  const event = await run.event('request', 'request');
  if (event === undefined) {
    throw new FiducialError(
      'run.no-request',
      `Run ${run.id} was not started by a command, so its models are not known by address`,
      'Resume it where it was started: the same runMethod call goes on with it.',
    );
  }
  const { asked, data } = event.data as unknown as {
    readonly asked: Request;
    readonly data: Readonly<Record<string, Ref>>;
  };
  if (asked.isDemo === true) return await method.demo.given();
  const fillings = { ...asked.fillings };
  for (const role of Object.keys(data)) delete fillings[role];
  const given = await openGiven(method, fillings, options);
  for (const [role, ref] of Object.entries(data)) {
    const text = new TextDecoder().decode(await options.store.artefacts.get(ref));
    const rows = text.split('\n').filter((line) => line !== '');
    given[role] = dataOf(
      role,
      rows.map((line) => JSON.parse(line) as Json),
    );
  }
  return given;
}

/**
 * Goes on with a run.
 *
 * @throws FiducialError `run.no-request`, `run.changed`, and what `runMethod` throws
 */
export async function resumeRun(run: Run, options: RunOptions & OpenOptions): Promise<RunResult> {
  const { spec } = run;
  if (spec.parent !== undefined) {
    throw new FiducialError(
      'run.is-child',
      `Run ${run.id} is a part of run ${spec.parent.run}`,
      `fiducial resume ${spec.parent.run}`,
    );
  }
  const method = methodOf(spec.method, runnable());
  const given = await openAgain(run, options);
  const replicate = spec.replicate === undefined ? {} : { replicate: spec.replicate };
  checkSame(run, specOf(method, spec.params, given, { seed: spec.seed, ...replicate }));
  return await runMethod(method, spec.params as object, given as Given<Needs>, {
    ...options,
    seed: spec.seed,
    ...replicate,
  });
}

function checkSame(run: Run, now: RunSpec): void {
  const changed: string[] = [];
  const compare = (name: string, before: unknown, after: unknown): void => {
    if (canonicalJson((before ?? null) as Json) !== canonicalJson((after ?? null) as Json)) changed.push(name);
  };
  const empty = (record: object | undefined) => (Object.keys(record ?? {}).length === 0 ? undefined : record);
  compare('the code of the method', run.spec.hashes.code, now.hashes.code);
  compare('the models', run.spec.models, now.models);
  compare('the files or weights of the models', empty(run.spec.hashes.weights), empty(now.hashes.weights));
  compare('the data', empty(run.spec.hashes.data), empty(now.hashes.data));
  if (changed.length === 0) return;
  throw new FiducialError(
    'run.changed',
    `Since run ${run.id} began, ${changed.join(' and ')} changed: going on would mix two different runs`,
    'Run it anew with fiducial run, or go back to what it was.',
  );
}
