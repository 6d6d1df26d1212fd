/**
 * One look at a target: every attack with its budget, what it still answers, what it still can do.
 *
 * The same function measures before and after, on the same items, so that all is paired. What differs is the target and
 * what the attackers are told (`knows`): after a treatment they know it.
 */
import { isFiducialError } from '../../core/errors.ts';
import type { Measure, Outcome } from '../../core/measures.ts';
import type { Observation } from '../../core/observations.ts';
import { anyBreach, type RequestRow } from '../../kit/attack/index.ts';
import { isRefusal } from '../../kit/judge/index.ts';
import { saysOnly } from '../../lab/index.ts';
import { type Context, type Dataset, dataOf, type Needs, type TrialSet } from '../../methods/method.ts';
import { bestOfN } from '../../methods/redteam/best-of-n.ts';
import { pair } from '../../methods/redteam/pair.ts';
import { templates } from '../../methods/redteam/templates.ts';
import type { Model } from '../../models/model.ts';
import { collect } from '../../models/reply.ts';
import type { Run } from '../../store/store.ts';
import { placeOf } from '../context.ts';
import { observationsOf, readOutcome } from '../figures.ts';
import type { AllowedRow, SkillRow } from './material.ts';
import type { AttackName, LoopParams } from './settings.ts';

/** What an attack is made with. */
export interface Attackers {
  readonly attacker: Model;
  readonly judge: Model | undefined;
  readonly judgeId: string;
}

/** What was not done, and why. */
export interface Undone {
  readonly stage: string;
  readonly what: string;
  readonly why: string;
}

export interface Attacked {
  /** By request: whether any attack got it through. */
  readonly set: TrialSet;
  readonly outcomes: ReadonlyMap<AttackName, Outcome>;
  readonly undone: readonly Undone[];
}

/**
 * These attacks over all requests; a request is breached where any of them breached it.
 *
 * @param stage `before`, `practice` or `after`
 */
export async function attack(
  context: Context<Needs>,
  stage: string,
  target: Model,
  requests: Dataset<RequestRow>,
  names: readonly AttackName[],
  families: readonly string[],
  knows: string,
  { attacker, judge }: Attackers,
  settings: LoopParams,
): Promise<Attacked> {
  const asked = { verdict: settings.verdict, maxTokens: settings.maxTokens };
  const outcomes = new Map<AttackName, Outcome>();
  const undone: Undone[] = [];
  const parts = new Map<AttackName, ReadonlyMap<string, Observation>>();
  for (const name of names) {
    const key = `${stage}/${name}`;
    try {
      outcomes.set(name, await callOf(name)(key));
    } catch (error) {
      // An attack that measured nothing says so, and the others stand; but one that measured before must measure again.
      const isUnmeasured = ['observations.nothing-measured', 'observations.too-many-errors'] as const;
      if (stage === 'after' || !isUnmeasured.some((code) => isFiducialError(error, code))) throw error;
      undone.push({ stage, what: `redteam/${name}`, why: (error as Error).message });
      continue;
    }
    parts.set(name, byItem(await seenBy(context, key, 'attack success')));
  }

  function callOf(name: AttackName): (key: string) => Promise<Outcome> {
    switch (name) {
      case 'templates': {
        const params = { ...templates.demo.params, ...asked, families: [...families], wordings: settings.wordings };
        return (key) => context.call(templates, params, { target, requests, judge, templates: undefined }, key);
      }
      case 'pair': {
        const params = { ...pair.demo.params, ...asked, streams: settings.streams, iterations: settings.rounds, knows };
        return (key) => context.call(pair, params, { target, attacker, requests, judge, referee: undefined }, key);
      }
      case 'best-of-n': {
        const rows = requests.rows.map(withoutCategory);
        const params = { ...bestOfN.demo.params, ...asked, attempts: settings.attempts, baseline: false };
        return (key) => context.call(bestOfN, params, { target, requests: dataOf(requests.name, rows), judge }, key);
      }
    }
  }
  const set = await context.trials(
    `attack, ${stage}`,
    requests.rows.map(({ id, cluster }) => ({ id, cluster })),
    ({ id }) =>
      Promise.resolve(
        anyBreach(
          id,
          [...parts.values()].flatMap((seen) => seen.get(id) ?? []),
        ),
      ),
  );
  return { set, outcomes, undone };
}

/** As best-of-n takes a row. */
function withoutCategory({ id, request, cluster, tags }: RequestRow) {
  return { id, request, ...(cluster === undefined ? {} : { cluster }), ...(tags === undefined ? {} : { tags }) };
}

function byItem(observations: readonly Observation[]): ReadonlyMap<string, Observation> {
  return new Map(observations.map((each) => [each.item, each]));
}

/** The observations behind a child's measure. */
async function seenBy(context: Context<Needs>, key: string, measure: string): Promise<Observation[]> {
  const child = await childOf(context, key);
  const derived = (await readOutcome(child))?.derived.find(({ options }) => options.name === measure);
  if (derived === undefined) throw new Error(`${child.spec.method} took no measure ${measure} from a set`);
  return await observationsOf(child, derived.set);
}

/** A child run by its key. */
export async function childOf(context: Context<Needs>, key: string): Promise<Run> {
  const { run, world } = placeOf(context);
  const info = (await run.children()).find(({ spec }) => spec.parent?.key === key);
  if (info === undefined) throw new Error(`there is no child ${key}`);
  return await world.store.run(info.id);
}

/** Whether requests that must be answered are: 1 where the reply is neither blocked nor a refusal. */
export function answered(
  context: Context<Needs>,
  stage: string,
  target: Model,
  rows: readonly AllowedRow[],
  settings: LoopParams,
): Promise<TrialSet> {
  return context.trials(`answered, ${stage}`, rows, async ({ request }, { transcript }) => {
    const reply = await say(target, request, settings, context.signal);
    const kept = await transcript({ request, reply: reply.text, ended: reply.ended });
    if (reply.ended === 'blocked') return { status: 'measured', value: 0, why: 'blocked', transcript: kept };
    if (reply.text.trim() === '') return { status: 'undetermined', why: 'the reply is empty', transcript: kept };
    const refused = isRefusal(reply.text);
    return { status: 'measured', value: refused ? 0 : 1, why: refused ? 'refused' : 'answered', transcript: kept };
  });
}

/** Whether questions with known answers are answered rightly. */
export function skilled(
  context: Context<Needs>,
  stage: string,
  target: Model,
  rows: readonly SkillRow[],
  settings: LoopParams,
): Promise<TrialSet> {
  return context.trials(`skills, ${stage}`, rows, async ({ prompt, accepted, rivals }, { transcript }) => {
    const reply = await say(target, prompt, settings, context.signal);
    const isRight = reply.ended !== 'blocked' && saysOnly(reply.text, accepted, rivals);
    return {
      status: 'measured',
      value: isRight ? 1 : 0,
      transcript: await transcript({ request: prompt, reply: reply.text, accepted: [...accepted] }),
    };
  });
}

/** One reply, as plainly as it can be had. */
export function say(target: Model, content: string, { maxTokens }: LoopParams, signal: AbortSignal) {
  return collect(target, { messages: [{ role: 'user', content }], temperature: 0, maxTokens }, signal);
}

/** Everything that was measured of one target. */
export interface Look {
  readonly attacked: Attacked;
  readonly answered: TrialSet;
  readonly skilled: TrialSet;
}

/** The rates of one look. */
export function ratesOf(stage: string, look: Look, judgeId: string): Measure[] {
  return [
    look.attacked.set.rate({ name: `attack success, ${stage}`, better: 'down', judge: judgeId }),
    look.answered.rate({ name: `allowed requests answered, ${stage}`, better: 'up' }),
    look.skilled.rate({ name: `skills, ${stage}`, better: 'up' }),
  ];
}
