/**
 * From settings to everything a loop runs on: models by address, rows from files or from the lab's town, divided into
 * what is measured and what is learned from.
 */
import { z } from 'zod';
import { FiducialError } from '../../core/errors.ts';
import { requestRow } from '../../kit/attack/index.ts';
import { judgeNeedsModel } from '../../kit/judge/index.ts';
import type { Dataset } from '../../methods/method.ts';
import type { Model } from '../../models/model.ts';
import { describeSending, type Sending } from '../authorise.ts';
import { type Filling, openModel, type OpenOptions } from '../open-models.ts';
import { readRows } from '../material/rows.ts';
import { datasets, loop } from './loop.ts';
import { allowedRow, divided, type Material, skillRow, townMaterial } from './material.ts';
import type { PlanModels } from './plan.ts';
import { budgets, type LoopParams, loopParams, type LoopSettings } from './settings.ts';

export interface Prepared {
  readonly models: PlanModels;
  readonly material: Material;
  readonly params: LoopParams;
  readonly given: Readonly<Record<string, unknown>>;
  /** Addresses by role, so that the run can be taken up by its id. */
  readonly fillings: Readonly<Record<string, Filling>>;
  readonly sending: Sending;
  /** Lets go of models that were opened here. */
  readonly close: () => Promise<void>;
}

/**
 * Opens what a loop needs.
 *
 * @throws FiducialError `loop.not-possible` where the target cannot be opened; `loop.bad-material`, `loop.too-few`
 */
export async function prepareLoop(
  settings: LoopSettings,
  options: OpenOptions & { readonly seed?: number | string },
): Promise<Prepared> {
  const seed = options.seed ?? 1;
  const isTown = settings.requests === undefined;
  const material = isTown ? townMaterial(settings.size, seed) : await ownMaterial(settings, seed);
  const params = loopParams.parse({
    ...budgets[settings.size],
    oracle: isTown ? 'town' : 'none',
    ...settings.params,
  });
  const target = await openTarget(settings.target, options);
  // The lab's own programs know the town and nothing else: on other material they would only seem to judge.
  const attackerAt = settings.attacker ?? (isTown ? 'lab:attacker' : undefined);
  const judgeAt = settings.judge ?? (isTown ? 'lab:judge' : undefined);
  const isJudged = judgeNeedsModel(params.verdict);
  if (isJudged && judgeAt === undefined) {
    throw new FiducialError(
      'loop.no-judge',
      `The verdict ${params.verdict} asks a model, and none was named for requests of your own`,
      'Name one: --judge openai:…; or choose --verdict contains:<text>.',
    );
  }
  const attacker = attackerAt === undefined ? undefined : await openModel(attackerAt, options);
  const judge = judgeAt === undefined || !isJudged ? undefined : await openModel(judgeAt, options);
  const fillings: Record<string, Filling> = {
    target: settings.target,
    ...(attacker === undefined ? {} : { attacker: attackerAt! }),
    ...(judge === undefined ? {} : { judge: judgeAt! }),
  };
  const labels = settings.labels === undefined ? undefined : await readRows(settings.labels);
  const models = { target, attacker, judge };
  const opened = [target, attacker, judge].filter((each) => each !== undefined);
  return {
    models,
    material,
    params,
    given: { ...datasets(material), ...models, labels },
    fillings,
    sending: describeSending(loop, opened, material.attacked.length + material.practised.length),
    async close() {
      for (const model of opened) if (hasClose(model)) await model.close();
    },
  };
}

function hasClose(model: Model): model is Model & { close(): Promise<void> } {
  return 'close' in model && typeof model.close === 'function';
}

async function openTarget(address: string, options: OpenOptions): Promise<Model> {
  try {
    return await openModel(address, options, 'weights');
  } catch (cause) {
    if (!(cause instanceof FiducialError)) throw cause;
    throw new FiducialError(
      'loop.not-possible',
      `The loop is not possible on ${address}: ${cause.message}`,
      cause.hint,
      {
        cause,
      },
    );
  }
}

/** Rows of the user's, each checked, each set divided. */
async function ownMaterial(settings: LoopSettings, seed: number | string): Promise<Material> {
  const read = async <T>(name: string, path: string | undefined, row: z.ZodType<T>): Promise<T[]> => {
    if (path === undefined) {
      throw new FiducialError(
        'loop.bad-material',
        `There are requests of your own, and no ${name}: what a treatment costs could not be measured`,
        `Name a file: --${name} rows.jsonl.`,
      );
    }
    const set: Dataset = await readRows(path);
    return set.rows.map((each, index) => {
      const parsed = row.safeParse(each);
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw new FiducialError(
        'loop.bad-material',
        `${path}, row ${index + 1}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'does not fit'}`,
        'fiducial loop --help says what its rows hold.',
      );
    });
  };
  const requests = divided('requests', await read('requests', settings.requests, requestRow), seed);
  const allowed = divided('allowed', await read('allowed', settings.allowed, allowedRow), seed);
  const skills = divided('skills', await read('skills', settings.skills, skillRow), seed);
  return {
    attacked: requests.measured,
    practised: requests.practised,
    allowed: allowed.measured,
    allowedPractised: allowed.practised,
    skills: skills.measured,
    skillsPractised: skills.practised,
  };
}
